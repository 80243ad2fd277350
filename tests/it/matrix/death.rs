//! Row 1: a process that is killed at any moment, again and again, sends no more again than what was in flight.
//!
//! A life is one upload, its options drawn from a seed: it is killed up to four times, wherever it is then, and
//! continued. After every death the server and the disk are looked at, and after every run what it sent.
//!
//! The long run, which tells in the end what it did:
//!
//! ```sh
//! OSS_UPLOAD_TEST_KILLS=500 cargo test --all-features --test it -- --ignored --nocapture killed_hundreds_of_times
//! ```

use crate::support::process::{Halt, Moment, Program, Ran, WATCHDOG};
use crate::support::{BUCKET, KEY, PART, Scene, seed};
use fastrand::Rng;
use oss_upload::local_server::{Fault, Operation, RequestLog};
use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn killed_at_moments_of_every_kind_it_sends_no_more_again_than_was_in_flight() {
    println!("{}", live_until(seed(), 40));
}

#[test]
#[ignore = "long: hundreds of processes are killed, which takes half a minute"]
fn killed_hundreds_of_times_it_sends_no_more_again_than_was_in_flight() {
    let kills = env::var("OSS_UPLOAD_TEST_KILLS");
    let kills = kills.map_or(500, |kills| kills.parse().expect("a number"));
    let tally = live_until(seed(), kills);
    println!("{tally}");
    // Else it tried less than it says.
    assert!(kills < 500 || !tally.kills_of_a_kind.contains(&0));
}

/// Lives lives until that many processes were killed.
fn live_until(seed: u64, kills: u32) -> Tally {
    let mut tally = Tally::default();
    while tally.kills() < kills {
        // Each life has a seed of its own, so that the one that failed can be lived alone.
        live(seed.wrapping_add(tally.lives), &mut tally);
        tally.lives += 1;
    }
    tally
}

fn live(seed: u64, tally: &mut Tally) {
    let mut random = Rng::with_seed(seed);
    let mut life = Life::begin(&mut random);
    println!("OSS_UPLOAD_TEST_SEED={seed}: {:?}", life.options);
    let deaths = random.u32(1..=4);
    for n in 0..=deaths {
        // The last run is let live.
        let death = (n < deaths).then(|| Death::choose(&mut random, &life.options, &life.found));
        if life.run(death, tally) == Then::Over {
            break;
        }
    }
    life.check_end(tally);
}

/// What is drawn for one life.
#[derive(Debug)]
struct Options {
    n_parts: u16,
    part_size: u64,
    len: u64,
    routines: u16,
    place: Place,
    signature: &'static str,
    may_list: bool,
    /// How long the server takes to answer when it has stored a part.
    latency: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    At,
    Beside,
    InDir,
}

impl Options {
    fn choose(random: &mut Rng) -> Options {
        let n_parts = random.u16(1..=12);
        let part_size = match random.bool() {
            true => PART,
            false => random.u64(PART..2 * PART),
        };
        let whole = u64::from(n_parts) * part_size;
        let (n_parts, len) = match random.u8(0..3) {
            0 => (n_parts, whole),
            1 => (n_parts + 1, whole + 1),
            _ => (n_parts, whole - random.u64(1..part_size)),
        };
        let may_list = random.bool();
        // Where the record is all there is, slower than it is written: within 20 ms.
        let latency = match may_list {
            true => random.u64(0..3000),
            false => random.u64(40_000..50_000),
        };
        Options {
            n_parts,
            part_size,
            len,
            routines: random.u16(1..=8),
            place: [Place::At, Place::Beside, Place::InDir][random.usize(0..3)],
            signature: ["v1", "v4"][random.usize(0..2)],
            may_list,
            latency: Duration::from_micros(latency),
        }
    }

    /// How many parts that the server has may be sent again by one run.
    ///
    /// A routine has one part that it sends, and at most one before that which is not written down yet. So a death
    /// leaves at most two parts a routine that the server has and the checkpoint does not know. They are the first that
    /// the next run sends, so that its own death does not add to them. And where ListParts may be asked, they are
    /// found there.
    fn most_again(&self) -> usize {
        match self.may_list {
            true => 0,
            false => 2 * usize::from(self.routines),
        }
    }

    /// How many bodies may be sent in all, by all runs: those that were in flight at a death are sent twice.
    fn most_bodies(&self, deaths: usize) -> usize {
        let in_flight = (2 * self.routines).min(self.n_parts);
        usize::from(self.n_parts) + deaths * usize::from(in_flight)
    }

    fn part_len(&self, number: u16) -> u64 {
        let offset = u64::from(number - 1) * self.part_size;
        self.part_size.min(self.len - offset)
    }
}

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// So long after it was started, wherever it is then.
    Soon(Duration),
    /// At the n-th request, which is stopped there.
    At(u32, Moment),
    /// So long after the n-th request came, which goes on.
    After(u32, Duration),
    /// In the middle of the n-th body that it sends, behind so many bytes.
    Body(u32, u64),
    /// When there is a checkpoint of this length.
    Checkpoint(u64),
}

impl Death {
    /// One that will come, as far as what was found tells what the next run will do.
    fn choose(random: &mut Rng, options: &Options, found: &Found) -> Death {
        let n_missing = u32::from(options.n_parts) - found.stored.len() as u32;
        let n_requests = match options.n_parts {
            // The whole file at once.
            1 => 1,
            // Initiate or ListParts, the parts, Complete or HEAD.
            _ => n_missing + 2,
        };
        // The last one more often: then the checkpoint is deleted.
        let n = random.u32(1..=n_requests + 2).min(n_requests);
        match random.u8(0..6) {
            0 => Death::At(n, Moment::Lost),
            1 => Death::At(n, Moment::Done),
            2 => Death::After(n, Duration::from_micros(random.u64(0..5_000))),
            3 if n_missing > 0 => {
                let bytes = random.u64(0..options.part_size);
                Death::Body(random.u32(1..=n_missing), bytes)
            }
            4 if n_missing > 0 && options.n_parts > 1 => {
                Death::Checkpoint(found.next_len(random, n_missing))
            }
            _ => Death::Soon(Duration::from_micros(random.u64(0..40_000))),
        }
    }
}

/// What a dead process has left behind.
#[derive(Debug)]
struct Found {
    has_object: bool,
    /// Its length.
    checkpoint: Option<u64>,
    /// The checkpoint tells of an upload that is on the server.
    is_begun: bool,
    /// Parts that are there and need not be sent again.
    stored: BTreeSet<u16>,
}

impl Found {
    /// It had done everything: another run would be another upload.
    fn is_over(&self) -> bool {
        self.has_object && self.checkpoint.is_none()
    }

    /// A length that the checkpoint will reach.
    fn next_len(&self, random: &mut Rng, n_missing: u32) -> u64 {
        match self.checkpoint {
            None if random.bool() => 0,
            None | Some(0) if random.bool() => 1,
            len => {
                // A recorded part has 36 bytes at least, and this is about what the header has.
                let begun = len.filter(|len| *len > 0).unwrap_or(190);
                begun + random.u64(1..=36 * u64::from(n_missing))
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (checkpoint, stored) = (self.checkpoint, &self.stored);
        let object = self.has_object;
        write!(
            f,
            "checkpoint: {checkpoint:?}, stored: {stored:?}, object: {object}"
        )
    }
}

#[derive(Debug, PartialEq)]
enum Then {
    Over,
    Again,
}

/// An upload that is killed, and its server.
struct Life {
    scene: Scene,
    options: Options,
    found: Found,
    deaths: usize,
    /// Deaths before the checkpoint told of an upload.
    early_deaths: usize,
}

impl Life {
    fn begin(random: &mut Rng) -> Life {
        let options = Options::choose(random);
        let found = Found {
            has_object: false,
            checkpoint: None,
            is_begun: false,
            stored: BTreeSet::new(),
        };
        Life {
            scene: Scene::with_len(options.len),
            options,
            found,
            deaths: 0,
            early_deaths: 0,
        }
    }

    /// One run, to its death or its end.
    fn run(&mut self, death: Option<Death>, tally: &mut Tally) -> Then {
        let before = self.connections();
        let ran = self.run_until(death);
        let sent = self.check_sent(before, tally);
        if ran.code == Some(0) {
            self.check_last(&ran, sent);
            return Then::Over;
        }
        let death = death.filter(|_| ran.stderr.is_empty());
        let death = death.unwrap_or_else(|| panic!("it failed: {ran:?}"));
        self.found = self.look();
        println!("  {death:?}: {}", self.found);
        let kind = Kind::of(death, &self.found, &self.options);
        tally.kills_of_a_kind[kind as usize] += 1;
        self.deaths += 1;
        self.early_deaths += usize::from(!self.found.is_begun);
        match self.found.is_over() {
            true => Then::Over,
            false => Then::Again,
        }
    }

    fn program(&self) -> Program {
        let program = self.scene.program_without_checkpoint();
        let program = match self.options.place {
            Place::At => program.arg("--checkpoint").arg(self.scene.checkpoint()),
            Place::Beside => program.arg("--checkpoint-beside"),
            Place::InDir => program.arg("--checkpoint-dir").arg(self.scene.dir.path()),
        };
        program
            .args(["--part-size", &self.options.part_size.to_string()])
            .args(["--routines", &self.options.routines.to_string()])
            .args(["--signature", self.options.signature])
    }

    fn run_until(&self, death: Option<Death>) -> Ran {
        let server = &self.scene.server;
        let due = death.map(|death| Due::at(self, death));
        server.fault(Fault::latency(self.options.latency).on(Operation::UploadPart));
        if !self.options.may_list {
            server.fault(Fault::deny().on(Operation::ListParts));
        }
        let mut running = self.program().start();
        let started = Instant::now();
        let is_due = || due.as_ref().is_some_and(|due| due.is_now(started));
        while !is_due() && !running.has_ended() {
            assert!(started.elapsed() < WATCHDOG, "neither death nor end");
            thread::yield_now();
        }
        let ran = running.kill();
        server.clear_faults();
        if let Some(halt) = due.and_then(|due| due.halt) {
            halt.lift(server);
        }
        ran
    }

    /// What is there now that the process is dead. The server may still be at work on what it asked: parts that are
    /// found are the least that will be there.
    fn look(&self) -> Found {
        let path = self.checkpoint();
        let bytes = path.as_ref().map(|path| fs::read(path).expect("readable"));
        let mut found = Found {
            has_object: self.has_object(),
            checkpoint: bytes.as_ref().map(|bytes| bytes.len() as u64),
            is_begun: false,
            stored: BTreeSet::new(),
        };
        let bytes = bytes.unwrap_or_default();
        for upload in self.scene.server.pending_uploads() {
            let id = upload.upload_id.as_bytes();
            if bytes.windows(id.len()).any(|window| window == id) {
                found.is_begun = true;
                found.stored = upload.parts.iter().map(|part| part.number).collect();
            } else {
                // The header is on the disk before the first part is sent.
                assert_eq!(upload.parts, [], "nobody knows of this upload");
            }
        }
        if found.has_object && !bytes.is_empty() {
            found.is_begun = true;
            found.stored = (1..=self.options.n_parts).collect();
        }
        found
    }

    /// Whatever lies beside the file is the checkpoint.
    fn checkpoint(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(self.scene.dir.path()).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let others: Vec<PathBuf> = paths.filter(|path| *path != self.scene.file).collect();
        assert!(others.len() <= 1, "{others:?}");
        others.into_iter().next()
    }

    /// Whether the object is there, and then whole.
    fn has_object(&self) -> bool {
        let Some(object) = self.scene.server.object(BUCKET, KEY) else {
            return false;
        };
        let file = fs::read(&self.scene.file).expect("the file");
        let bytes = object.bytes().expect("readable");
        assert!(bytes == file, "the object differs from the file");
        true
    }

    /// The number of a new connection. Those of the dead have smaller numbers, whenever their requests are done; those
    /// of the next run have greater ones.
    fn connections(&self) -> u64 {
        let probe = TcpStream::connect(("127.0.0.1", self.scene.server.port()));
        let mut probe = probe.expect("the server listens");
        let request = "GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";
        probe.write_all(request.as_bytes()).expect("asked");
        probe.read_to_end(&mut vec![]).expect("answered");
        let log = self.scene.server.requests().into_iter().rev();
        let mut probes = log.filter(|request| request.path == "/probe");
        probes.next().expect("noted").connection
    }

    /// The last run, which began with what was found, sent nothing without need. Returns how many bytes it sent.
    fn check_sent(&self, before: u64, tally: &mut Tally) -> u64 {
        let mut requests = self.scene.server.requests();
        requests.retain(|request| request.connection > before);
        let initiate = |r: &RequestLog| r.operation == Operation::InitiateMultipartUpload;
        if self.found.is_begun {
            assert!(!requests.iter().any(initiate), "it was not continued");
        }
        requests.retain(is_body);
        let numbers: Vec<u16> = requests.iter().filter_map(|r| r.part_number).collect();
        let sent: BTreeSet<u16> = numbers.iter().copied().collect();
        assert_eq!(sent.len(), numbers.len(), "twice in one run: {numbers:?}");
        let stored = &self.found.stored;
        let (again, most) = (sent.intersection(stored).count(), self.options.most_again());
        assert!(
            again <= most,
            "{again} parts again, and not {most}: {numbers:?} of {stored:?}"
        );
        if self.deaths > 0 {
            let worst = &mut tally.most_again[usize::from(self.options.may_list)];
            *worst = (*worst).max((again, most));
        }
        requests.iter().map(|request| request.body_len).sum()
    }

    /// The last run, which came to its own end.
    fn check_last(&self, ran: &Ran, sent: u64) {
        let json = ran.json();
        assert_eq!(json["bytes_sent"], sent, "{json}");
        for field in ["retries", "restarts"] {
            assert_eq!(json[field], 0, "{json}");
        }
        let stored = self.found.stored.iter();
        let stored: u64 = stored.map(|number| self.options.part_len(*number)).sum();
        let missing = self.options.len - stored;
        let most = missing + self.options.most_again() as u64 * self.options.part_size;
        assert!(sent <= most, "{sent} bytes, {missing} were missing");
    }

    /// After all those deaths.
    fn check_end(&self, tally: &mut Tally) {
        assert!(self.has_object());
        assert_eq!(self.checkpoint(), None);
        // The answer to an Initiate may have died with its process. Nobody knows the id, and nothing is in it.
        let pending = self.scene.server.pending_uploads();
        let is_empty = pending.iter().all(|upload| upload.parts.is_empty());
        assert!(
            is_empty && pending.len() <= self.early_deaths,
            "{pending:?}"
        );
        let log = self.scene.server.requests();
        let sent = log.iter().filter(|request| is_body(request)).count();
        let most = self.options.most_bodies(self.deaths);
        assert!(sent <= most, "{sent} parts in all, and not {most}");
        tally.parts += u64::from(self.options.n_parts);
        tally.sent += sent as u64;
    }
}

fn is_body(request: &RequestLog) -> bool {
    matches!(
        request.operation,
        Operation::UploadPart | Operation::PutObject
    )
}

/// Tells when a death has come.
struct Due<'a> {
    life: &'a Life,
    death: Death,
    halt: Option<Halt>,
    /// When the request of [`Death::After`] came.
    passed: Arc<OnceLock<Instant>>,
}

impl Due<'_> {
    fn at(life: &Life, death: Death) -> Due<'_> {
        let server = &life.scene.server;
        let body = match life.options.n_parts {
            1 => Operation::PutObject,
            _ => Operation::UploadPart,
        };
        let passed = Arc::new(OnceLock::new());
        let mut halt = None;
        match death {
            Death::At(n, moment) => {
                halt = Some(Halt::at(server, moment, |fault| fault.nth(n).times(1)));
            }
            Death::Body(n, bytes) => {
                let at = |fault: Fault| fault.on(body).nth(n).times(1);
                halt = Some(Halt::at(server, Moment::Within(bytes), at));
            }
            Death::After(n, _) => {
                let passing = Arc::clone(&passed);
                let note = Fault::run(move |_| {
                    let _ = passing.set(Instant::now());
                });
                server.fault(note.nth(n).times(1));
            }
            Death::Soon(_) | Death::Checkpoint(_) => {}
        }
        Due {
            life,
            death,
            halt,
            passed,
        }
    }

    fn is_now(&self, started: Instant) -> bool {
        match self.death {
            Death::At(..) | Death::Body(..) => self.halt.as_ref().is_some_and(Halt::is_reached),
            Death::Soon(pause) => started.elapsed() >= pause,
            Death::After(_, pause) => self.passed.get().is_some_and(|at| at.elapsed() >= pause),
            Death::Checkpoint(len) => {
                let path = self.life.checkpoint();
                let metadata = path.and_then(|path| fs::metadata(path).ok());
                metadata.is_some_and(|found| found.len() >= len)
            }
        }
    }
}

/// Where a death turned out to be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    BeforeInitiate,
    AtRequest,
    InBody,
    InCheckpoint,
    Elsewhere,
    AfterComplete,
}

impl Kind {
    fn of(death: Death, found: &Found, options: &Options) -> Kind {
        let is_multipart = options.n_parts > 1;
        match death {
            _ if found.has_object => Kind::AfterComplete,
            _ if is_multipart && !found.is_begun => Kind::BeforeInitiate,
            Death::At(..) => Kind::AtRequest,
            Death::Body(..) => Kind::InBody,
            Death::Checkpoint(_) => Kind::InCheckpoint,
            Death::Soon(_) | Death::After(..) => Kind::Elsewhere,
        }
    }
}

/// What was lived through.
#[derive(Debug, Default)]
struct Tally {
    lives: u64,
    /// By [`Kind`].
    kills_of_a_kind: [u32; 6],
    parts: u64,
    /// Bodies of parts that went out, whole or not.
    sent: u64,
    /// Stored parts that one run sent again, and how many it might have: where ListParts is denied, and where not.
    most_again: [(usize, usize); 2],
}

impl Tally {
    fn kills(&self) -> u32 {
        self.kills_of_a_kind.iter().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [initiate, requests, bodies, checkpoints, elsewhere, complete] = self.kills_of_a_kind;
        let [denied, listed] = self.most_again;
        writeln!(f, "{} kills in {} lives:", self.kills(), self.lives)?;
        writeln!(f, "  {initiate} before the checkpoint knew of an upload")?;
        writeln!(f, "  {requests} at the boundary of a request")?;
        writeln!(f, "  {bodies} in the middle of a body")?;
        writeln!(f, "  {checkpoints} while the checkpoint was being written")?;
        writeln!(f, "  {elsewhere} elsewhere while parts were sent")?;
        writeln!(f, "  {complete} after Complete was done")?;
        writeln!(f, "{} bodies for {} parts", self.sent, self.parts)?;
        write!(
            f,
            "stored parts that one run sent again: at most {} of {} allowed where ListParts is denied, {} of {} where \
             it is not",
            denied.0, denied.1, listed.0, listed.1
        )
    }
}
