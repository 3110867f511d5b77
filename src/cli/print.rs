//! Prints to standard output. A reader that has gone, such as `head`, ends the command quietly.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints one line.
pub(super) fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let written = out.write_fmt(text).and_then(|()| out.write_all(b"\n"));
    if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// Prints one line, as `println!` does.
macro_rules! out {
    () => { $crate::cli::print::line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::print::line(format_args!($($text)*)) };
}

pub(super) use out;
