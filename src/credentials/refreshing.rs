//! Credentials that are fetched, kept, and fetched again before they expire.

use super::provider::{Credentials, CredentialsProvider, ProviderError};
use super::refresh::{Facts, Kept, LOST_AFTER, Now, Step, Under};
use crate::lock::lock;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What is kept must not run out between the question whether an answer is ready and the question for it.
const UNTIL_ASKED: Duration = Duration::from_secs(1);

type Fetch = dyn Fn() -> Result<Credentials, ProviderError> + Send + Sync;

/// Keeps the credentials that a function of yours fetches, and fetches others before they expire.
///
/// A fifth of their life before the end (that with which they came: [`Credentials::expiration`]), 180 s at least but
/// never more than half of it, others are fetched by one thread, while all requests go on with the old ones. When that
/// fails, the old ones stay and it is tried again a little later: up to a minute. Only when there are none, because
/// they have expired or OSS refuses them, requests wait, all for the same fetch, and get its error when it fails.
/// Credentials without an expiry are fetched again only when OSS refuses them.
///
/// A function that panics has failed. One that hangs is waited for 60 s, and then another thread is given a try when
/// somebody asks.
///
/// ```
/// use oss_upload::{Client, Credentials, Refreshing};
/// use std::time::{Duration, SystemTime};
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let vault = Refreshing::new(|| {
///     // ... asked for over the network ...
///     let issued = Credentials::new("id", "secret").with_security_token("token");
///     Ok(issued.with_expiration(SystemTime::now() + Duration::from_secs(3600)))
/// });
/// let client = Client::for_region("cn-hangzhou").credentials(vault).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Refreshing(Arc<Inner>);

struct Inner {
    fetch: Box<Fetch>,
    clock: Box<dyn Fn() -> Now + Send + Sync>,
    state: Mutex<State>,
    /// A fetch has ended, well or not.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    facts: Facts,
    begun: u64,
    /// The number of the last fetch that ended, and why it failed if it did.
    last: (u64, Result<(), String>),
    #[cfg(test)]
    waiting: usize,
}

impl Refreshing {
    /// Credentials that `fetch` fetches. Nothing is fetched yet.
    ///
    /// It runs on a thread of its own, one at a time. Its error is shown to the user and so must hold no secret.
    pub fn new(
        fetch: impl Fn() -> Result<Credentials, ProviderError> + Send + Sync + 'static,
    ) -> Refreshing {
        Refreshing::with_clock(fetch, Now::read)
    }

    fn with_clock(
        fetch: impl Fn() -> Result<Credentials, ProviderError> + Send + Sync + 'static,
        clock: impl Fn() -> Now + Send + Sync + 'static,
    ) -> Refreshing {
        Refreshing(Arc::new(Inner {
            fetch: Box::new(fetch),
            clock: Box::new(clock),
            state: Mutex::new(State {
                facts: Facts::default(),
                begun: 0,
                last: (0, Ok(())),
                #[cfg(test)]
                waiting: 0,
            }),
            ended: Condvar::new(),
        }))
    }
}

impl CredentialsProvider for Refreshing {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        let inner = &self.0;
        let give_up = Instant::now() + LOST_AFTER;
        let mut state = inner.lock();
        loop {
            let step = state.facts.step((inner.clock)());
            let number = match step {
                Step::Give => return state.given(),
                Step::GiveAndFetch => {
                    inner.begin(&mut state);
                    return state.given();
                }
                Step::Fetch => inner.begin(&mut state),
                Step::Wait(number) => number,
            };
            state = inner.wait(state, number, give_up);
            match &state.last {
                (last, Ok(())) if *last >= number => return state.given(),
                (last, Err(why)) if *last >= number => return Err(why.clone().into()),
                _ if Instant::now() >= give_up => {
                    let seconds = LOST_AFTER.as_secs();
                    return Err(
                        format!("fetching credentials takes longer than {seconds} s").into(),
                    );
                }
                // The fetch was lost, and another has begun.
                _ => {}
            }
        }
    }

    fn refused(&self, refused: &Credentials) {
        let mut state = self.0.lock();
        if let Some(kept) = &mut state.facts.kept {
            // Else another request was here first.
            kept.refused |= kept.credentials == *refused;
        }
    }

    fn answers_at_once(&self) -> bool {
        let state = self.0.lock();
        let mut soon = (self.0.clock)();
        soon.wall += UNTIL_ASKED;
        let step = state.facts.step(soon);
        matches!(step, Step::Give | Step::GiveAndFetch)
    }
}

impl State {
    fn given(&self) -> Result<Credentials, ProviderError> {
        match &self.facts.kept {
            Some(kept) => Ok(kept.credentials.clone()),
            None => Err("no credentials were fetched".into()),
        }
    }

    fn end(&mut self, number: u64, fetched: Result<Credentials, String>, now: Now) {
        self.facts.under = None;
        self.last = match fetched {
            Ok(credentials) => {
                self.facts.kept = Some(Kept::new(credentials, now));
                self.facts.pause_until = None;
                (number, Ok(()))
            }
            Err(why) => {
                let pause = self.facts.kept.as_ref().map(Kept::pause);
                self.facts.pause_until = pause.map(|pause| now.tick + pause);
                (number, Err(why))
            }
        };
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Begins a fetch; one that is still under way is lost.
    fn begin(self: &Arc<Inner>, state: &mut State) -> u64 {
        state.begun += 1;
        let number = state.begun;
        let now = (self.clock)();
        state.facts.under = Some(Under {
            number,
            since: now.tick,
        });
        let inner = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name("oss-upload-fetch".to_owned())
            .spawn(move || inner.run(number));
        if let Err(error) = spawned {
            state.end(number, Err(format!("no thread to fetch on: {error}")), now);
        }
        number
    }

    fn run(&self, number: u64) {
        let fetched = panic::catch_unwind(AssertUnwindSafe(|| (self.fetch)()));
        let fetched = match fetched {
            Ok(Ok(credentials)) => usable(credentials),
            Ok(Err(why)) => Err(why.to_string()),
            Err(_) => Err("fetching credentials panicked".to_owned()),
        };
        // Not under the lock: a logger may ask for credentials.
        match &fetched {
            Ok(given) => log::debug!(target: "oss_upload::credentials", "fetched {given:?}"),
            Err(why) => log::debug!(target: "oss_upload::credentials", "fetching failed: {why}"),
        }
        let mut state = self.lock();
        // Else it was lost, and what it brings comes too late.
        if state
            .facts
            .under
            .is_some_and(|under| under.number == number)
        {
            state.end(number, fetched, (self.clock)());
            drop(state);
            self.ended.notify_all();
        }
    }

    /// Waits until the fetch has ended, is lost, or another took its place; but no longer than to `give_up`.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        number: u64,
        give_up: Instant,
    ) -> MutexGuard<'a, State> {
        #[cfg(test)]
        {
            state.waiting += 1;
        }
        while let Some(under) = state.facts.under.filter(|under| under.number == number) {
            let until = give_up.min(under.since + LOST_AFTER);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.ended.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

/// What is fetched must be a key: nobody wants requests to become anonymous by an empty answer.
fn usable(credentials: Credentials) -> Result<Credentials, String> {
    match credentials.is_anonymous() {
        true => Err("anonymous credentials cannot be fetched".to_owned()),
        false => match credentials.check() {
            Ok(()) => Ok(credentials),
            Err(why) => Err(why.to_string()),
        },
    }
}

impl fmt::Debug for Refreshing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        let kept = state.facts.kept.as_ref().map(|kept| &kept.credentials);
        f.debug_struct("Refreshing")
            .field("kept", &kept)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, Sender, unbounded};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    const WATCHDOG: Duration = Duration::from_secs(30);

    /// A clock that is set by hand.
    #[derive(Clone)]
    struct Clock(Arc<Mutex<Now>>);

    impl Clock {
        fn new() -> Clock {
            Clock(Arc::new(Mutex::new(Now::read())))
        }

        fn now(&self) -> Now {
            *self.0.lock().expect("no panic")
        }

        fn advance(&self, by: Duration) {
            let mut now = self.0.lock().expect("no panic");
            now.wall += by;
            now.tick += by;
        }
    }

    /// Hands out what the test sends, one thing a fetch, and tells when a fetch begins.
    struct Source {
        begun: Receiver<()>,
        answers: Sender<Result<Credentials, String>>,
    }

    fn scene() -> (Refreshing, Source, Clock) {
        let clock = Clock::new();
        let (begins, begun) = unbounded();
        let (answers, answer) = unbounded::<Result<Credentials, String>>();
        let fetch = move || -> Result<Credentials, ProviderError> {
            begins.send(())?;
            Ok(answer.recv()??)
        };
        let ticking = clock.clone();
        let provider = Refreshing::with_clock(fetch, move || ticking.now());
        let source = Source { begun, answers };
        (provider, source, clock)
    }

    impl Source {
        fn answer(&self, answer: Result<Credentials, &str>) {
            let answer = answer.map_err(str::to_owned);
            self.answers.send(answer).expect("somebody listens");
        }

        #[track_caller]
        fn expect_begun(&self) {
            self.begun.recv_timeout(WATCHDOG).expect("a fetch begins");
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn key(id: &str) -> Credentials {
        Credentials::new(id, "secret")
    }

    fn living(id: &str, clock: &Clock, life: u64) -> Credentials {
        key(id).with_expiration(clock.now().wall + seconds(life))
    }

    /// Fetches that have begun so far, those whose thread has not come to it yet included.
    fn n_begun(provider: &Refreshing) -> u64 {
        provider.0.lock().begun
    }

    /// Waits until the fetch under way has ended.
    fn settle(provider: &Refreshing) {
        let inner = &provider.0;
        let mut state = inner.lock();
        while state.facts.under.is_some() {
            let woken = inner.ended.wait_timeout(state, WATCHDOG).expect("no panic");
            assert!(!woken.1.timed_out(), "the fetch does not end");
            state = woken.0;
        }
    }

    fn wait_for_waiting(provider: &Refreshing, n: usize) {
        let end = Instant::now() + WATCHDOG;
        while provider.0.lock().waiting < n {
            assert!(Instant::now() < end, "not {n} are waiting");
            thread::yield_now();
        }
    }

    fn id(provider: &Refreshing) -> String {
        let given = provider.credentials().expect("credentials");
        given.access_key_id().to_owned()
    }

    /// So many ask at the same time, and the fetch that they wait for ends like this.
    fn ask_together(
        provider: &Refreshing,
        source: &Source,
        n: usize,
        answer: Result<Credentials, &str>,
    ) -> Vec<Result<Credentials, String>> {
        thread::scope(|scope| {
            let ask = || provider.credentials().map_err(|why| why.to_string());
            let asking: Vec<_> = (0..n).map(|_| scope.spawn(ask)).collect();
            wait_for_waiting(provider, n);
            source.answer(answer);
            let told = asking.into_iter().map(|asking| asking.join());
            told.map(|told| told.expect("no panic")).collect()
        })
    }

    #[test]
    fn all_wait_for_one_fetch_and_get_what_it_brings() {
        let (provider, source, _) = scene();
        assert!(!provider.answers_at_once());
        for told in ask_together(&provider, &source, 8, Ok(key("first"))) {
            assert_eq!(told, Ok(key("first")));
        }
        assert!(provider.answers_at_once());
        assert_eq!(n_begun(&provider), 1);
    }

    #[test]
    fn an_error_is_an_error_for_all_who_waited_and_the_next_tries_again() {
        let (provider, source, _) = scene();
        for told in ask_together(&provider, &source, 8, Err("the vault is sealed")) {
            assert_eq!(told, Err("the vault is sealed".to_owned()));
        }
        assert_eq!(n_begun(&provider), 1);
        source.answer(Ok(key("second")));
        assert_eq!(id(&provider), "second");
        assert_eq!(n_begun(&provider), 2);
    }

    #[test]
    fn others_are_fetched_early_while_all_go_on_with_the_old_ones() {
        let (provider, source, clock) = scene();
        source.answer(Ok(living("old", &clock, 3600)));
        assert_eq!(id(&provider), "old");
        source.expect_begun();
        clock.advance(seconds(3000));
        for _ in 0..5 {
            assert!(provider.answers_at_once());
            assert_eq!(id(&provider), "old");
        }
        source.expect_begun();
        source.answer(Ok(living("new", &clock, 3600)));
        settle(&provider);
        assert_eq!(id(&provider), "new");
        assert_eq!(n_begun(&provider), 2);
    }

    #[test]
    fn what_runs_out_before_it_is_asked_for_is_not_promised_to_be_ready() {
        let (provider, source, clock) = scene();
        source.answer(Ok(living("old", &clock, 3600)));
        assert_eq!(id(&provider), "old");
        clock.advance(seconds(3598));
        assert!(provider.answers_at_once());
        clock.advance(seconds(1));
        assert!(!provider.answers_at_once());
        assert_eq!(id(&provider), "old");
        source.answer(Err("never mind"));
    }

    #[test]
    fn an_early_fetch_that_fails_keeps_the_old_ones_and_is_tried_again_after_a_pause() {
        let (provider, source, clock) = scene();
        source.answer(Ok(living("old", &clock, 3600)));
        assert_eq!(id(&provider), "old");
        clock.advance(seconds(3000));
        source.answer(Err("away"));
        assert_eq!(id(&provider), "old");
        settle(&provider);
        clock.advance(seconds(59));
        assert_eq!(id(&provider), "old");
        assert_eq!(n_begun(&provider), 2);
        clock.advance(seconds(1));
        source.answer(Err("still away"));
        assert_eq!(id(&provider), "old");
        settle(&provider);
        assert_eq!(n_begun(&provider), 3);
        // When they have expired, the error is the caller's.
        clock.advance(seconds(600));
        source.answer(Err("away for good"));
        let why = provider.credentials().expect_err("expired").to_string();
        assert_eq!(why, "away for good");
    }

    #[test]
    fn an_early_fetch_that_hangs_holds_nobody_up_and_what_it_brings_too_late_is_dropped() {
        let (provider, source, clock) = scene();
        source.answer(Ok(living("old", &clock, 3600)));
        assert_eq!(id(&provider), "old");
        source.expect_begun();
        clock.advance(seconds(3000));
        assert_eq!(id(&provider), "old");
        source.expect_begun();
        for _ in 0..5 {
            clock.advance(seconds(100));
            assert!(provider.answers_at_once());
            assert_eq!(id(&provider), "old");
        }
        assert_eq!(n_begun(&provider), 2);
        clock.advance(seconds(100));
        assert!(!provider.answers_at_once());
        thread::scope(|scope| {
            let asking = scope.spawn(|| id(&provider));
            source.expect_begun();
            // The one that hung gets one of them, and the other the other.
            source.answer(Ok(key("new")));
            source.answer(Ok(key("new")));
            assert_eq!(asking.join().expect("no panic"), "new");
        });
        assert_eq!(n_begun(&provider), 3);
    }

    #[test]
    fn a_refusal_fetches_once_however_many_were_refused() {
        let (provider, source, _) = scene();
        source.answer(Ok(key("revoked")));
        let revoked = provider.credentials().expect("credentials");
        for _ in 0..3 {
            provider.refused(&revoked);
        }
        assert!(!provider.answers_at_once());
        for told in ask_together(&provider, &source, 3, Ok(key("new"))) {
            assert_eq!(told, Ok(key("new")));
        }
        // They speak of what is kept no more.
        provider.refused(&revoked);
        assert!(provider.answers_at_once());
        assert_eq!(id(&provider), "new");
        assert_eq!(n_begun(&provider), 2);
    }

    #[test]
    fn a_panic_is_an_error_and_not_the_end() {
        let n = AtomicUsize::new(0);
        let provider = Refreshing::new(move || match n.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("on purpose"),
            _ => Ok(key("after-all")),
        });
        let why = provider.credentials().expect_err("a panic").to_string();
        assert!(why.contains("panicked"), "{why}");
        assert_eq!(id(&provider), "after-all");
    }

    #[test]
    fn what_is_fetched_must_be_a_key() {
        for (bad, word) in [
            (Credentials::anonymous(), "anonymous"),
            (Credentials::new("", ""), "access key id is empty"),
            (Credentials::new("id", ""), "access key secret is empty"),
            (key("id").with_security_token("a\nb"), "security token"),
        ] {
            let provider = Refreshing::new(move || Ok(bad.clone()));
            let why = provider.credentials().expect_err(word).to_string();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn debug_shows_the_id_only() {
        let secret = Credentials::new("the-id", "the-secret").with_security_token("the-token");
        let provider = Refreshing::new(move || Ok(secret.clone()));
        provider.credentials().expect("credentials");
        let shown = format!("{provider:?}");
        assert!(shown.contains("the-id"), "{shown}");
        assert!(!shown.contains("the-secret") && !shown.contains("the-token"));
    }

    #[test]
    fn the_time_is_the_systems_unless_a_test_sets_it() {
        let long_ago = SystemTime::UNIX_EPOCH;
        let n = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&n);
        let provider = Refreshing::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(key("id").with_expiration(long_ago))
        });
        for _ in 0..10 {
            assert_eq!(id(&provider), "id");
        }
        assert_eq!(n.load(Ordering::SeqCst), 1);
    }

    /// A whole upload goes on with the old ones while a fetch that began early never ends.
    #[cfg(feature = "local-server")]
    #[test]
    fn an_early_fetch_that_hangs_holds_no_upload_up() {
        use crate::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer};
        use crate::{Client, local_server::Operation};

        let (provider, source, clock) = scene();
        let old = Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
        let end = clock.now().wall + seconds(3600);
        source.answer(Ok(old.with_expiration(end)));
        let server = LocalServer::start().expect("a port");
        let moving = clock.clone();
        let move_on = Fault::run(move |_| moving.advance(seconds(3000)));
        let third = move_on.on(Operation::UploadPart).nth(3).times(1);
        let moved = server.fault(third);
        let dir = tempfile::tempdir().expect("a temp folder");
        let file = dir.path().join("file");
        std::fs::write(&file, vec![7; 20 * 102_400]).expect("written");
        let client = Client::builder(server.endpoint())
            .region("cn-hangzhou")
            .credentials(provider.clone());
        let bucket = client.build().and_then(|c| c.bucket("examplebucket"));
        let bucket = bucket.expect("a bucket");
        let upload = bucket.upload_file("key", &file).part_size(102_400);
        let uploaded = upload.routines(4).run().expect("uploaded");
        assert_eq!((uploaded.retries, moved.hits()), (0, 1));
        source.expect_begun();
        source.expect_begun();
        assert_eq!(n_begun(&provider), 2);
        assert!(provider.0.lock().facts.under.is_some(), "it has ended");
        source.answer(Err("never mind"));
    }
}
