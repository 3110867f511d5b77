//! Prints to standard output and standard error. A reader that has gone, such as `head`, ends the command quietly.

use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

use crate::domain::text::printable;

/// Prints one line; it may have line breaks and tabs, and nothing else that steers a terminal.
pub(super) fn line(text: Arguments<'_>) {
    let mut line = format!("{text}\n");
    if line.contains(|letter: char| !matches!(letter, '\n' | '\t' | ' '..='~')) {
        line = line.split_inclusive(['\n', '\t']).map(safe).collect();
    }
    self::text(&line);
}

/// Prints comma-separated values as they are, but for what steers a terminal.
pub(super) fn csv(values: &str) {
    text(&values.split_inclusive(['\n', '\t']).map(safe).collect::<String>());
}

fn safe(piece: &str) -> String {
    // Lines of comma-separated values end in both.
    let ends = ["\r\n", "\n", "\t"];
    match ends.iter().find_map(|end| Some((piece.strip_suffix(end)?, end))) {
        Some((text, end)) => printable(text) + end,
        None => printable(piece),
    }
}

/// Prints text as it is.
pub(super) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// Prints a line to standard error, for people; what cannot be shown there is not missed.
pub(super) fn hint(line: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{line}");
}

/// Prints what went wrong to standard error; it may have lines, and nothing else that steers a terminal.
pub(super) fn complaint(text: &str) {
    text.lines().for_each(|line| hint(&printable(line)));
}

/// Whether somebody sits there who sees what is shown and can answer.
pub(super) fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks whoever sits there; what is not a yes is a no, and what was typed before the question is no answer to it.
pub(super) async fn asked(question: &str) -> anyhow::Result<bool> {
    rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush)?;
    let mut err = std::io::stderr();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    };
    let line = tokio::task::spawn_blocking(read).await??;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Whether colours are wanted there: by `--color`, `NO_COLOR` and `CLICOLOR_FORCE`, else on a terminal.
pub(super) fn coloured(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// Columns and rows of the terminal that standard output is, if it is one.
pub(super) fn size() -> Option<(usize, usize)> {
    let out = std::io::stdout();
    let size = rustix::termios::tcgetwinsize(&out).ok().filter(|_| out.is_terminal())?;
    Some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// Prints one line, as `println!` does.
macro_rules! out {
    () => { $crate::cli::print::line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::print::line(format_args!($($text)*)) };
}

pub(super) use out;
