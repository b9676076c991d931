//! Who did what, in lines that hold each other by their hashes and are signed now and then.
