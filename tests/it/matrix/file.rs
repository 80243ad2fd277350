//! Row 4: the file changes before the resume, while its parts are read, between the last part and Complete.
//!
//! What is expected is the same at every moment, and worked out by [`expected`]:
//!
//! - Another length or mtime makes another version of the file: all of it is sent anew. With [`OnChange::Fail`] the
//!   upload fails, unless nothing was being sent yet.
//! - With the same length and mtime, but another ctime or inode, the bytes of the finished parts decide.
//! - When there is no file any more, the upload fails, and what was sent stays for the day on which the file is back.
//!
//! A file of one part goes up by PutObject, which has neither finished parts nor a Complete: its bytes are proved before
//! the last of them are sent. After its last byte was read, nothing matters any more.
//!
//! Where any mtime will do ([`Identity::any_mtime`]), another one is as another ctime: the bytes decide.
//!
//! Whatever happens, the object is one version of the file, byte for byte: the newest.

use crate::support::process::WATCHDOG;
use crate::support::{
    BUCKET, Case, KEY, PART, Scene, bucket, client_at, keeping_mtime, mtime, random_bytes,
    set_mtime, wait_reached,
};
use Operation::{AbortMultipartUpload, ListParts, PutObject, UploadPart};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Error, ErrorKind, Identity, OnChange, RestartReason, Uploaded, Verify};
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, SystemTime};

/// What happens to the file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    /// The mtime is set back: only the length tells. So it is when it shrinks.
    Grown,
    Shrunk,
    ShrunkToOnePart,
    Emptied,
    Rewritten,
    RewrittenWithMtimeSetBack,
    Touched,
    OtherMode,
    /// By renaming another file.
    Replaced,
    ReplacedWithSameMtime,
    ReplacedByCopy,
    /// The path is a symbolic link: the old file stays as it was.
    Relinked,
    Deleted,
    MovedAway,
}

const CHANGES: [Change; 14] = [
    Change::Grown,
    Change::Shrunk,
    Change::ShrunkToOnePart,
    Change::Emptied,
    Change::Rewritten,
    Change::RewrittenWithMtimeSetBack,
    Change::Touched,
    Change::OtherMode,
    Change::Replaced,
    Change::ReplacedWithSameMtime,
    Change::ReplacedByCopy,
    Change::Relinked,
    Change::Deleted,
    Change::MovedAway,
];

/// What a change leaves behind.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    /// Another length or mtime, or other bytes behind the same ones.
    Other,
    /// The same length, mtime and bytes.
    Same,
    /// Another mtime, but the same length and bytes.
    Touched,
    None,
}

/// When it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// An earlier run was interrupted; the next has not begun.
    BeforeResume,
    /// The next has been decided on; no part has been read.
    Resuming,
    /// Parts are on their way, others have not been read.
    PartsInFlight,
    /// The first bytes of a part have been read, the last have not.
    InsidePart,
    /// All parts have been read, the last of them is not acknowledged.
    BeforeComplete,
    /// The first bytes of the only part have been read, the last have not.
    InsidePut,
    /// All bytes of the only part have been read.
    AfterPut,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// It goes on, and no part is sent twice.
    GoesOn,
    /// All of the newest version is sent, once.
    Anew,
    /// The upload fails, and nothing is left of it.
    Refused,
    /// The upload fails, and can go on when the file is back.
    NoFile,
    /// The object is the version that was read.
    Old,
}

impl Change {
    fn leaves(self) -> Version {
        match self {
            Change::Deleted | Change::MovedAway => Version::None,
            Change::ReplacedByCopy | Change::OtherMode => Version::Same,
            Change::Touched => Version::Touched,
            _ => Version::Other,
        }
    }
}

fn expected(cell: &Cell) -> Expected {
    let anew = match (cell.moment, cell.policy) {
        (Moment::BeforeResume, _) | (_, OnChange::Restart) => Expected::Anew,
        _ => Expected::Refused,
    };
    let is_strict = cell.identity == Identity::strict();
    match (cell.moment, cell.change.leaves()) {
        (Moment::AfterPut, _) => Expected::Old,
        (_, Version::None) => Expected::NoFile,
        (_, Version::Other) => anew,
        (_, Version::Touched) if is_strict => anew,
        (_, Version::Same | Version::Touched) => Expected::GoesOn,
    }
}

impl Change {
    /// What there has to be before the change.
    fn prepare(self, file: &Path) {
        if self == Change::Relinked {
            fs::rename(file, aside(file)).expect("moved");
            symlink(aside(file), file).expect("linked");
        }
    }

    fn apply(self, file: &Path) {
        let bytes = fs::read(file).expect("the file");
        let len = bytes.len() as u64;
        match self {
            Change::Grown => append(file, &random_bytes(len, 3)),
            Change::Shrunk => shrink(file, len / 2),
            Change::ShrunkToOnePart => shrink(file, 777),
            Change::Emptied => shrink(file, 0),
            Change::Rewritten => fs::write(file, random_bytes(len, 2)).expect("written"),
            // Only the ctime tells.
            Change::RewrittenWithMtimeSetBack => keeping_mtime(file, || {
                fs::write(file, random_bytes(len, 2)).expect("written");
            }),
            Change::Touched => set_mtime(file, mtime(file) + Duration::from_millis(1)),
            Change::OtherMode => {
                fs::set_permissions(file, fs::Permissions::from_mode(0o640)).expect("set");
            }
            Change::Replaced => replace(file, &random_bytes(len, 2), SystemTime::now()),
            Change::ReplacedWithSameMtime => replace(file, &random_bytes(len, 2), mtime(file)),
            Change::ReplacedByCopy => replace(file, &bytes, mtime(file)),
            Change::Relinked => relink(file, &random_bytes(len, 2)),
            Change::Deleted => fs::remove_file(file).expect("deleted"),
            Change::MovedAway => fs::rename(file, aside(file)).expect("moved"),
        }
    }

    /// Where the change left no file, it comes back.
    fn bring_back(self, file: &Path, bytes: &[u8]) {
        match self {
            Change::MovedAway => fs::rename(aside(file), file).expect("moved"),
            _ => fs::write(file, bytes).expect("written"),
        }
    }
}

fn aside(file: &Path) -> PathBuf {
    file.with_extension("aside")
}

fn append(file: &Path, bytes: &[u8]) {
    keeping_mtime(file, || {
        let mut file = File::options().append(true).open(file).expect("the file");
        io::Write::write_all(&mut file, bytes).expect("grown");
    });
}

fn shrink(file: &Path, len: u64) {
    keeping_mtime(file, || {
        let file = File::options().append(true).open(file).expect("the file");
        file.set_len(len).expect("shrunk");
    });
}

fn replace(file: &Path, bytes: &[u8], mtime: SystemTime) {
    let other = file.with_extension("other");
    fs::write(&other, bytes).expect("written");
    set_mtime(&other, mtime);
    fs::rename(other, file).expect("replaced");
}

fn relink(file: &Path, bytes: &[u8]) {
    let (other, link) = (file.with_extension("other"), file.with_extension("link"));
    fs::write(&other, bytes).expect("written");
    set_mtime(&other, mtime(file));
    symlink(other, &link).expect("linked");
    fs::rename(link, file).expect("replaced");
}

/// One cell of the table.
#[derive(Clone, Copy, Debug)]
struct Cell {
    change: Change,
    moment: Moment,
    policy: OnChange,
    routines: u16,
    verify: Verify,
    identity: Identity,
}

/// Parts of the scenes in which a hook at the server tells the moment, the short last one included.
const N_PARTS: u16 = 5;

/// How many of them an interrupted run has sent.
const N_RESUMED: u16 = 2;

/// Parts so large that one cannot be in the sockets' buffers as a whole, for the moments inside of one.
const LARGE_PART: u64 = 2 << 20;

impl Moment {
    fn is_resumed(self) -> bool {
        matches!(self, Moment::BeforeResume | Moment::Resuming)
    }

    fn part_size(self) -> u64 {
        match self {
            Moment::InsidePart | Moment::InsidePut => LARGE_PART,
            _ => PART,
        }
    }

    fn file_len(self) -> u64 {
        match self {
            Moment::InsidePart => LARGE_PART + 777,
            Moment::InsidePut => LARGE_PART,
            Moment::AfterPut => PART,
            _ => u64::from(N_PARTS - 1) * PART + 777,
        }
    }

    /// Settings of the runs. Where there are three that matter, every two of their values meet.
    fn runs(self) -> Vec<(OnChange, u16, Verify)> {
        use OnChange::{Fail, Restart};
        use Verify::{Content, Metadata};
        match self {
            Moment::BeforeResume | Moment::Resuming => vec![
                (Restart, 1, Metadata),
                (Restart, 4, Content),
                (Fail, 1, Content),
                (Fail, 4, Metadata),
            ],
            Moment::PartsInFlight | Moment::BeforeComplete => vec![
                (Restart, 1, Metadata),
                (Restart, 4, Metadata),
                (Fail, 1, Metadata),
                (Fail, 4, Metadata),
            ],
            Moment::InsidePart => vec![(Restart, 4, Metadata), (Fail, 4, Metadata)],
            Moment::InsidePut | Moment::AfterPut => {
                vec![(Restart, 1, Metadata), (Fail, 1, Metadata)]
            }
        }
    }

    /// Every cell of the table that has to do with this moment.
    fn cells(self) -> impl Iterator<Item = Cell> {
        CHANGES.into_iter().flat_map(move |change| {
            let runs = self.runs().into_iter();
            runs.map(move |(policy, routines, verify)| Cell {
                change,
                moment: self,
                policy,
                routines,
                verify,
                identity: Identity::strict(),
            })
        })
    }
}

/// A scene of a cell while it is played.
struct Play {
    cell: Cell,
    scene: Scene,
    /// The file before the change.
    old: Vec<u8>,
    _way: Option<Halfway>,
}

impl Play {
    fn begin(cell: Cell) -> Play {
        let mut scene = Scene::with_len(cell.moment.file_len());
        // Long ago, so that no write of this test can leave the same mtime.
        set_mtime(
            &scene.file,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        );
        let old = fs::read(&scene.file).expect("the file");
        cell.change.prepare(&scene.file);
        if cell.moment.is_resumed() {
            scene.interrupt_after(N_RESUMED.into());
        }
        let change = change_once(&scene.file, cell.change);
        let mut way = None;
        match cell.moment {
            Moment::BeforeResume => change(),
            Moment::Resuming => scene.once(Fault::run(move |_| change()), ListParts),
            Moment::PartsInFlight => in_flight(&scene, cell.routines, change),
            Moment::BeforeComplete => at_last_part(&scene, change),
            Moment::AfterPut => scene.once(Fault::run(move |_| change()), PutObject),
            Moment::InsidePart | Moment::InsidePut => {
                let halfway = Halfway::to(&scene.server, change);
                scene.bucket = bucket(client_at(halfway.endpoint()));
                way = Some(halfway);
            }
        }
        Play {
            cell,
            scene,
            old,
            _way: way,
        }
    }

    fn run(&self) -> Result<Uploaded, Error> {
        let upload = self.scene.upload().part_size(self.cell.moment.part_size());
        upload
            .routines(self.cell.routines.into())
            .verify(self.cell.verify)
            .identity(self.cell.identity)
            .on_change(self.cell.policy)
            .run()
    }

    fn n_resumed(&self) -> u16 {
        match self.cell.moment.is_resumed() {
            true => N_RESUMED,
            false => 0,
        }
    }

    fn check(&self) {
        let ran = self.run();
        match expected(&self.cell) {
            Expected::GoesOn => self.check_goes_on(&ran.expect("it goes on")),
            Expected::Anew => self.check_anew(&ran.expect("sent anew")),
            Expected::Refused => self.check_refused(&ran.expect_err("the file changed")),
            Expected::NoFile => self.check_no_file(&ran.expect_err("no file")),
            Expected::Old => self.check_old(&ran.expect("uploaded")),
        }
    }

    fn check_goes_on(&self, uploaded: &Uploaded) {
        assert_eq!(uploaded.restarts, []);
        assert_eq!(uploaded.parts_resumed(), self.n_resumed());
        match self.cell.moment {
            Moment::InsidePut => assert_eq!(uploaded.bytes_sent, uploaded.size),
            _ => self.expect_sent(self.n_resumed() + 1..=uploaded.parts),
        }
        self.scene.expect_done(uploaded);
    }

    fn check_anew(&self, uploaded: &Uploaded) {
        assert_eq!(uploaded.restarts, [RestartReason::FileChanged]);
        assert_eq!(uploaded.parts_resumed(), 0);
        let wasted = match self.cell.moment {
            Moment::BeforeResume => 0,
            _ => self.old.len() as u64,
        };
        assert!(uploaded.bytes_sent <= uploaded.size + wasted);
        self.scene.expect_done(uploaded);
    }

    fn check_refused(&self, error: &Error) {
        assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
        assert_eq!(error.path(), Some(&*self.scene.file));
        self.expect_nothing_left(error);
        let uploaded = self.run().expect("the next run");
        assert_eq!(uploaded.bytes_sent, uploaded.size);
        self.scene.expect_done(&uploaded);
    }

    fn check_no_file(&self, error: &Error) {
        assert_eq!(error.kind(), ErrorKind::Source, "{error}");
        assert_eq!(error.path(), Some(&*self.scene.file));
        assert!(error.io_error().is_some(), "{error}");
        let is_put = self.cell.moment == Moment::InsidePut;
        if is_put {
            self.expect_nothing_left(error);
        } else {
            self.expect_state_left();
        }
        self.scene.server.forget_requests();
        self.cell.change.bring_back(&self.scene.file, &self.old);
        let uploaded = self.run().expect("the file is back");
        match self.cell.change {
            // All parts were sent: an open file can be read although it has no name any more.
            _ if is_put => assert_eq!(uploaded.bytes_sent, uploaded.size),
            Change::MovedAway if self.cell.moment == Moment::BeforeResume => {
                self.expect_sent(N_RESUMED + 1..=N_PARTS);
            }
            Change::MovedAway => assert_eq!(uploaded.bytes_sent, 0),
            _ => assert_eq!(uploaded.restarts, [RestartReason::FileChanged]),
        }
        self.scene.expect_done(&uploaded);
    }

    fn check_old(&self, uploaded: &Uploaded) {
        let object = self.scene.server.object(BUCKET, KEY).expect("an object");
        assert!(object.bytes().expect("readable") == self.old);
        assert_eq!(uploaded.bytes_sent, self.old.len() as u64);
        assert!(!self.scene.checkpoint().exists());
    }

    /// Each of these parts was sent once, and no other.
    fn expect_sent(&self, parts: impl Iterator<Item = u16>) {
        let mut sent = self.scene.parts_sent();
        sent.sort_unstable();
        assert_eq!(sent, parts.collect::<Vec<_>>());
    }

    fn expect_nothing_left(&self, error: &Error) {
        assert!(!error.is_resumable(), "{error}");
        assert_eq!(error.left_behind().len(), 0, "{error}");
        assert_eq!(self.scene.server.pending_uploads(), []);
        assert!(!self.scene.checkpoint().exists());
        assert!(self.scene.server.object(BUCKET, KEY).is_none());
    }

    fn expect_state_left(&self) {
        assert!(self.scene.checkpoint().exists());
        assert_eq!(self.scene.server.pending_uploads().len(), 1);
        assert!(self.scene.server.object(BUCKET, KEY).is_none());
    }
}

/// Changes the file when it is called, the first time.
fn change_once(file: &Path, change: Change) -> impl Fn() + Send + Sync + 'static {
    let (file, is_done) = (file.to_owned(), AtomicBool::new(false));
    move || {
        if !is_done.swap(true, SeqCst) {
            change.apply(&file);
        }
    }
}

/// When a part arrives while all other routines wait for the answers to theirs.
fn in_flight(scene: &Scene, routines: u16, change: impl Fn() + Send + Sync + 'static) {
    let (hold, gate) = Fault::hold();
    let n_waiting = routines - 1;
    for part in 1..=n_waiting {
        let hold = hold.clone().on(UploadPart).part(part);
        scene.server.fault(hold);
    }
    let hook = Fault::run(move |_| {
        wait_reached(&gate, n_waiting.into());
        change();
        gate.open();
    });
    let hook = hook.on(UploadPart).part(routines.max(3));
    scene.server.fault(hook.times(1));
}

/// When the last part to arrive has arrived as a whole.
fn at_last_part(scene: &Scene, change: impl Fn() + Send + Sync + 'static) {
    let arrived = AtomicU32::new(0);
    let hook = Fault::run(move |_| {
        if arrived.fetch_add(1, SeqCst) + 1 == u32::from(N_PARTS) {
            change();
        }
    });
    scene.server.fault(hook.on(UploadPart));
}

/// A way to the server on which every connection is halted when some of its first body has passed, until `act` is
/// done.
struct Halfway {
    listener: TcpListener,
    is_closed: Arc<AtomicBool>,
}

impl Halfway {
    /// With what fits into the sockets' buffers, this is far from the end of a part.
    const PASSING: u64 = 128 << 10;

    fn to(server: &LocalServer, act: impl Fn() + Send + Sync + 'static) -> Halfway {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        // Not too large, so that the client is not far ahead of what has passed.
        let socket = socket2::SockRef::from(&listener);
        socket.set_recv_buffer_size(128 << 10).expect("set");
        let (accepting, port) = (listener.try_clone().expect("cloned"), server.port());
        let is_closed = Arc::new(AtomicBool::new(false));
        let (closed, act) = (Arc::clone(&is_closed), Arc::new(act));
        thread::spawn(move || {
            for client in accepting.incoming() {
                if closed.load(SeqCst) {
                    return;
                }
                let act = Arc::clone(&act);
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port)))
                else {
                    return;
                };
                thread::spawn(move || pass(&client, &server, &*act));
            }
        });
        Halfway {
            listener,
            is_closed,
        }
    }

    fn endpoint(&self) -> String {
        let address = self.listener.local_addr().expect("an address");
        format!("http://{address}")
    }
}

impl Drop for Halfway {
    fn drop(&mut self) {
        self.is_closed.store(true, SeqCst);
        let address = self.listener.local_addr();
        // Else nobody would notice.
        let _ = address.and_then(|address| TcpStream::connect_timeout(&address, WATCHDOG));
    }
}

/// Passes bytes on, both ways, until one side has ended.
fn pass(client: &TcpStream, server: &TcpStream, act: &(dyn Fn() + Sync)) {
    let forward = |mut from: &TcpStream, mut to: &TcpStream, most: u64| {
        io::copy(&mut (&mut from).take(most), &mut to).unwrap_or(0)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            forward(server, client, u64::MAX);
            let _ = client.shutdown(Shutdown::Both);
        });
        if forward(client, server, Halfway::PASSING) == Halfway::PASSING {
            act();
            forward(client, server, u64::MAX);
        }
        let _ = server.shutdown(Shutdown::Both);
    });
}

fn play(moment: Moment) {
    for cell in moment.cells() {
        let _case = Case(cell);
        Play::begin(cell).check();
    }
}

#[test]
fn a_change_before_the_resume_is_never_mixed_in() {
    play(Moment::BeforeResume);
}

#[test]
fn a_change_after_the_resume_was_decided_on_is_never_mixed_in() {
    play(Moment::Resuming);
}

#[test]
fn a_change_while_parts_are_in_flight_is_never_mixed_in() {
    play(Moment::PartsInFlight);
}

#[test]
fn a_change_inside_a_part_is_never_mixed_in() {
    play(Moment::InsidePart);
}

#[test]
fn a_change_between_the_last_part_and_complete_is_never_mixed_in() {
    play(Moment::BeforeComplete);
}

#[test]
fn a_change_while_a_file_of_one_part_is_sent_is_never_mixed_in() {
    play(Moment::InsidePut);
}

#[test]
fn a_change_after_the_last_byte_of_a_file_of_one_part_comes_too_late() {
    play(Moment::AfterPut);
}

#[test]
fn where_any_mtime_will_do_the_bytes_decide_at_every_moment() {
    for moment in [
        Moment::BeforeResume,
        Moment::Resuming,
        Moment::PartsInFlight,
        Moment::InsidePart,
        Moment::BeforeComplete,
        Moment::InsidePut,
    ] {
        let is_there = |cell: &Cell| cell.change.leaves() != Version::None;
        for mut cell in moment.cells().filter(is_there) {
            cell.identity = Identity::strict().any_mtime();
            let _case = Case(cell);
            Play::begin(cell).check();
        }
    }
}

/// Each start finds another version, so that none comes to an end.
#[test]
fn a_file_that_never_rests_is_given_up_after_bounded_starts_and_the_next_run_succeeds() {
    for (moment, routines) in [
        (Moment::BeforeComplete, 1),
        (Moment::BeforeComplete, 4),
        (Moment::InsidePut, 1),
    ] {
        let _case = Case((moment, routines));
        let mut scene = Scene::with_len(moment.file_len());
        let (file, starts) = (scene.file.clone(), Arc::new(AtomicU32::new(0)));
        let (counting, rests) = (Arc::clone(&starts), Arc::new(AtomicBool::new(false)));
        let resting = Arc::clone(&rests);
        let change = move || {
            if !resting.load(SeqCst) {
                let n = counting.fetch_add(1, SeqCst) + 1;
                set_mtime(
                    &file,
                    SystemTime::UNIX_EPOCH + Duration::from_secs(n.into()),
                );
            }
        };
        let mut _way = None;
        if moment == Moment::InsidePut {
            let halfway = Halfway::to(&scene.server, change);
            scene.bucket = bucket(client_at(halfway.endpoint()));
            _way = Some(halfway);
        } else {
            let hook = Fault::run(move |_| change()).on(UploadPart);
            scene.server.fault(hook.every(N_PARTS.into()));
        }
        let upload = || scene.upload().part_size(moment.part_size());
        let error = upload()
            .routines(routines)
            .run()
            .expect_err("never at rest");
        assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
        assert_eq!(starts.load(SeqCst), 4);
        assert_eq!(scene.server.pending_uploads(), []);
        assert!(!scene.checkpoint().exists());
        rests.store(true, SeqCst);
        let uploaded = upload().run().expect("at rest");
        assert_eq!(uploaded.restarts, []);
        scene.expect_done(&uploaded);
    }
}

#[test]
fn without_a_checkpoint_nothing_is_left_of_a_file_that_is_gone() {
    for change in [Change::Deleted, Change::MovedAway] {
        for routines in [1, 4] {
            let _case = Case((change, routines));
            let scene = Scene::with_parts(N_PARTS);
            at_last_part(&scene, change_once(&scene.file, change));
            let upload = scene.upload_without_checkpoint().routines(routines);
            let error = upload.run().expect_err("no file");
            assert_eq!(error.kind(), ErrorKind::Source, "{error}");
            assert!(!error.is_resumable() && error.left_behind().is_empty());
            assert_eq!(scene.server.pending_uploads(), []);
            assert!(scene.server.object(BUCKET, KEY).is_none());
        }
    }
}

#[test]
fn a_changed_file_that_is_gone_when_it_is_to_be_sent_anew_is_a_clean_end() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(N_PARTS);
        let bytes = fs::read(&scene.file).expect("the file");
        at_last_part(&scene, change_once(&scene.file, Change::Rewritten));
        let delete = change_once(&scene.file, Change::Deleted);
        scene.once(Fault::run(move |_| delete()), AbortMultipartUpload);
        let error = scene.upload().routines(routines).run();
        let error = error.expect_err("no file");
        assert_eq!(error.kind(), ErrorKind::Source, "{error}");
        assert_eq!(error.path(), Some(&*scene.file));
        assert!(!error.is_resumable());
        assert_eq!(scene.server.pending_uploads(), []);
        assert!(!scene.checkpoint().exists());
        Change::Deleted.bring_back(&scene.file, &bytes);
        scene.server.clear_faults();
        let uploaded = scene.upload().run().expect("the file is back");
        assert_eq!(uploaded.restarts, []);
        scene.expect_done(&uploaded);
    }
}
