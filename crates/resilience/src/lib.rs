//! What keeps calls from making a failure worse. Pure: the clock is given.
