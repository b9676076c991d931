//! Calls that the gateway makes for itself: bounded in time and number, made once for all who wait, remembered.
