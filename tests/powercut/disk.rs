//! A real ext4 in a file, mounted through a loop device: it can be cut off in the middle of its work, filled, and
//! turned read-only.
//!
//! Whatever happens, it is unmounted and its file removed when this is dropped.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `FS_IOC_SHUTDOWN` with the flag that leaves the file system's own log unwritten: what a power cut leaves.
/// Perl sends it, because no crate here may, and when it is told to, so that the moment is known.
const SHUTDOWN: &str = r#"$| = 1; open(my $folder, "<", $ARGV[0]) or die "$!\n"; my $flag = pack("L", 2); print "r";
<STDIN>; ioctl($folder, 0x8004587D, $flag) or die "$!\n";"#;

/// The file system. It is mounted, unless it was just cut off.
pub(crate) struct Disk {
    folder: tempfile::TempDir,
    mounted: bool,
}

impl Disk {
    /// Makes and mounts one.
    ///
    /// # Errors
    /// Why that cannot be done here.
    pub(crate) fn new(mebibytes: u64) -> Result<Self, String> {
        // Next to the build and not in /tmp, which is memory on many machines.
        let beside = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(beside).map_err(|error| error.to_string())?;
        let folder = tempfile::tempdir_in(beside).map_err(|error| error.to_string())?;
        let mut disk = Self { folder, mounted: false };
        let image = std::fs::File::create(disk.image()).and_then(|image| image.set_len(mebibytes << 20));
        image.and_then(|()| std::fs::create_dir(disk.path())).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()))?;
        disk.mount()?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Next to it, on the disk below.
    pub(crate) fn beside(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn mount(&mut self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop,errors=remount-ro"]).arg(self.image()).arg(self.path()))?;
        self.mounted = true;
        Ok(())
    }

    /// The kernel meets an error of the device and turns it read-only.
    pub(crate) fn fail(&self) -> Result<(), String> {
        let mounts = std::fs::read_to_string("/proc/mounts").map_err(|error| error.to_string())?;
        let path = self.path();
        let ours = |line: &&str| line.split(' ').nth(1) == path.to_str();
        let device = mounts.lines().find(ours).and_then(|line| line.split(' ').next()?.strip_prefix("/dev/"));
        let switch = format!("/sys/fs/ext4/{}/trigger_fs_error", device.unwrap_or_default());
        std::fs::write(&switch, "of the test").map_err(|error| format!("{switch}: {error}"))
    }

    /// The device is repaired, when no process uses it.
    pub(crate) fn mend(&mut self) -> Result<(), String> {
        self.unmount()?;
        // 1 = it was mended.
        let checked = Command::new("e2fsck").args(["-f", "-y"]).arg(self.image()).output();
        let code = checked.map_err(|error| format!("e2fsck: {error}"))?.status.code();
        if !matches!(code, Some(0 | 1)) {
            return Err(format!("e2fsck ends with {code:?}"));
        }
        self.mount()
    }

    /// The power goes: nothing more reaches the disk, and what the file system had in memory is lost. What was true
    /// then is told by `moment`, which is asked just before.
    ///
    /// In a real power cut nobody is told anything after it. Here a sync that is under way may still end well although
    /// its data is lost (Linux 6.18; a loop of `pwrite` and `fdatasync` alone shows it in 2 of 40 cuts), so what is
    /// acknowledged around the cut proves nothing.
    pub(crate) fn cut<T>(&self, moment: impl FnOnce() -> T) -> Result<T, String> {
        let mut command = Command::new("perl");
        command.args(["-e", SHUTDOWN]).arg(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut perl = command.spawn().map_err(|error| format!("perl: {error}"))?;
        let mut ready = [0];
        // Where it is not ready, it has ended and says why.
        let _ = perl.stdout.take().map(|mut stdout| stdout.read_exact(&mut ready));
        let moment = moment();
        let _ = perl.stdin.take().map(|mut stdin| stdin.write_all(b"\n"));
        let ended = perl.wait_with_output().map_err(|error| format!("perl: {error}"))?;
        if ended.status.success() {
            return Ok(moment);
        }
        Err(format!("FS_IOC_SHUTDOWN: {}", String::from_utf8_lossy(&ended.stderr).trim()))
    }

    /// After the last process that uses it has ended.
    pub(crate) fn unmount(&mut self) -> Result<(), String> {
        run(Command::new("umount").arg(self.path()))?;
        self.mounted = false;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a process that still has a file open must not keep the mount for ever.
            let _ = run(Command::new("umount").arg("-l").arg(self.path()));
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ran = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&ran.stderr).trim()))
}
