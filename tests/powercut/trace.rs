//! What strace wrote about a process: its calls in order, each as it begins and as it ends.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Calls that change files, names or open files. A call of another name that changes a file would be missed; that the
/// files read the same at the end shows that there is none.
const CALLS: &str = "trace=openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,ftruncate,truncate,\
fallocate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,close,lseek,dup,dup2,dup3,fcntl,\
copy_file_range,sendfile,link,linkat,symlink";

/// One moment of a call.
pub(crate) struct Moment {
    pub(crate) process: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    /// What it returned; none = it begins.
    pub(crate) result: Option<i64>,
}

impl Moment {
    /// A numeric argument.
    pub(crate) fn number(&self, at: usize) -> i64 {
        let number = self.plain(at);
        number.parse().unwrap_or_else(|_| panic!("argument {at} of {} is {number:?}", self.name))
    }

    /// An argument that is no string.
    pub(crate) fn plain(&self, at: usize) -> &str {
        // No string has a comma in it, because all are written in hex.
        self.arguments.split(", ").nth(at).unwrap_or_default()
    }

    /// The bytes of a string argument.
    pub(crate) fn bytes(&self, at: usize) -> Vec<u8> {
        let quoted = self.plain(at);
        assert!(!quoted.ends_with("..."), "strace cut {} short", self.name);
        let hex = quoted.trim_matches('"').split("\\x").skip(1);
        hex.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
    }

    pub(crate) fn text(&self, at: usize) -> String {
        String::from_utf8(self.bytes(at)).unwrap()
    }
}

/// Whether strace can be used here.
pub(crate) fn works() -> bool {
    let strace = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).status();
    strace.is_ok_and(|status| status.success())
}

/// What a process did, and how it ended.
pub(crate) struct Traced {
    pub(crate) moments: Vec<Moment>,
    /// None = it was killed.
    pub(crate) code: Option<i32>,
    /// Whether something was done to one of its calls.
    pub(crate) injected: bool,
    /// Calls that were under way when it was killed: nobody says whether they still did anything.
    pub(crate) under_way: usize,
}

/// Runs this program as a process that only stores, under strace, which may do something to one of its calls.
pub(crate) fn run(arguments: &[String], injection: Option<&str>, log: &Path) -> Traced {
    // A process that hangs is killed, and ends with a code of its own.
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "30", "strace"]);
    command.args(["-f", "-xx", "-s", "10000000", "-e", CALLS, "-e", "signal=none", "-o"]).arg(log);
    if let Some(injection) = injection {
        command.arg("-e").arg(format!("inject={injection}"));
    }
    command.arg(std::env::current_exe().unwrap()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Cargo's, with which the loader looks into a hundred folders first.
    command.env_remove("LD_LIBRARY_PATH");
    let begun = Instant::now();
    let code = command.status().unwrap().code();
    assert!(begun.elapsed() < Duration::from_secs(29), "{injection:?}: the process hangs");
    let text = std::fs::read_to_string(log).unwrap();
    // strace dies by the signal that it sends.
    let injected = text.contains("(INJECTED)") || matches!(code, None | Some(137));
    let (moments, under_way) = read(&text);
    Traced { moments, code, injected, under_way }
}

/// The moments of all calls, and how many of the calls have no end, or one that strace does not know.
fn read(log: &str) -> (Vec<Moment>, usize) {
    let mut moments = Vec::new();
    let mut begun: HashMap<String, (String, String)> = HashMap::new();
    let mut without_end = 0;
    for line in log.lines() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let (process, rest) = (process.to_owned(), rest.trim_start());
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((name, mut arguments)) = begun.remove(&process) else { continue };
            let Some((_, more)) = resumed.split_once(" resumed>") else { continue };
            without_end += usize::from(is_unknown(more));
            let Some((more, result)) = ended(more) else { continue };
            arguments.push_str(more);
            moments.push(Moment { process, name, arguments, result: Some(result) });
            continue;
        }
        let Some((name, rest)) = rest.split_once('(') else { continue };
        if let Some(arguments) = rest.strip_suffix(" <unfinished ...>") {
            let (name, arguments) = (name.to_owned(), arguments.to_owned());
            begun.insert(process.clone(), (name.clone(), arguments.clone()));
            moments.push(Moment { process, name, arguments, result: None });
        } else if let Some((arguments, result)) = ended(rest) {
            for result in [None, Some(result)] {
                let (process, name, arguments) = (process.clone(), name.to_owned(), arguments.to_owned());
                moments.push(Moment { process, name, arguments, result });
            }
        } else {
            without_end += usize::from(is_unknown(rest));
        }
    }
    (moments, without_end + begun.len())
}

/// Whether the process died in the call, so that strace does not know what it returned.
fn is_unknown(rest: &str) -> bool {
    rest.rsplit_once(" = ").is_some_and(|(_, result)| result.starts_with('?'))
}

/// The arguments and the result at the end of a line; none when the process died in the call.
fn ended(rest: &str) -> Option<(&str, i64)> {
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    Some((arguments, result.split(' ').next()?.parse().ok()?))
}
