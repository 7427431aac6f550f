//! What the live tests share: loads of known shape and independent truths.
