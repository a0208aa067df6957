//! talkpath.
fn main() {}
