//! The real binary as a child process.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A running `readypost serve`; killed when this is dropped.
pub(crate) struct Service {
    pub(crate) url: String,
    child: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Service {
    /// Starts it with this configuration file, its log going to `log`; none when it ended before it listened.
    pub(crate) async fn start(wrapper: &[&str], config: &Path, log: &Path) -> Option<Self> {
        Self::start_program(wrapper, Path::new(env!("CARGO_BIN_EXE_readypost")), config, log).await
    }

    /// The same of this binary.
    pub(crate) async fn start_program(wrapper: &[&str], binary: &Path, config: &Path, log: &Path) -> Option<Self> {
        let mut command = match wrapper {
            [] => Command::new(binary),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary);
                command
            }
        };
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        command.arg("serve").arg("--config").arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = stdout.next_line().await.unwrap()?;
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Some(Self { url, child, _stdout: stdout })
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Open files and connections.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id().unwrap())).unwrap().count()
    }

    /// SIGHUP: the configuration is read anew.
    pub(crate) async fn hangup(&self) {
        let process = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-HUP", &process]).status().await.unwrap().success());
    }

    /// SIGTERM: everything is closed as it should be.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        let process = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().await.unwrap().success());
        self.ended().await
    }

    /// SIGKILL: nothing is flushed, nobody is asked.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// The exit code, once it ends.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }
}

/// What strace has written about a process that ended, once it has written all of it.
pub(crate) async fn traced(log: &Path) -> String {
    for _ in 0..1_000 {
        let text = std::fs::read_to_string(log).unwrap();
        let number = |line: &str| line.split_whitespace().next().and_then(|number| number.parse::<u32>().ok());
        // The process has the smallest number, and is the last to be told of: its threads end before it.
        let process = text.lines().filter_map(number).min();
        if text.lines().any(|line| line.contains("+++ ") && number(line) == process) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("strace has not seen the end of the process");
}
