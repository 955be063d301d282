//! The weir executable.

fn main() {}
