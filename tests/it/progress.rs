//! What is shown of an upload: figures of the whole, events of its parts.

use crate::support::{Notes, PART, Scene, meanwhile, wait_reached};
use Operation::{CompleteMultipartUpload, InitiateMultipartUpload, PutObject, UploadPart};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{
    Control, ErrorKind, Event, EventFailure, Phase, RestartReason, Snapshot, UploadFile, Uploaded,
};
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

const OFTEN: Duration = Duration::from_millis(10);

/// Runs an upload and returns all that was seen of it.
fn seen(upload: UploadFile<'_>) -> (Uploaded, Vec<Snapshot>) {
    let notes = Notes::new();
    let seen = notes.clone();
    let upload = upload.progress_every(OFTEN);
    let uploaded = upload
        .on_progress(move |snapshot| seen.add(*snapshot))
        .run();
    (uploaded.expect("uploaded"), notes.take())
}

/// Runs an upload and returns all that was told of it.
fn told(upload: UploadFile<'_>) -> (Result<Uploaded, oss_upload::Error>, Vec<Event>) {
    let notes = Notes::new();
    let told = notes.clone();
    let ended = upload.on_event(move |event| told.add(event.clone())).run();
    (ended, notes.take())
}

#[track_caller]
fn expect_never_falls<T: PartialOrd + std::fmt::Debug>(
    seen: &[Snapshot],
    what: &str,
    figure: impl Fn(&Snapshot) -> T,
) {
    for pair in seen.windows(2) {
        let (before, after) = (figure(&pair[0]), figure(&pair[1]));
        assert!(before <= after, "{what} fell from {before:?} to {after:?}");
    }
}

#[track_caller]
fn expect_ends_well(uploaded: &Uploaded, seen: &[Snapshot]) {
    let last = seen.last().expect("something was seen");
    assert_eq!(last.phase, Phase::Done);
    assert_eq!(last.bytes_done, uploaded.size);
    assert_eq!(
        (last.parts_done, last.parts_total),
        (uploaded.parts, uploaded.parts)
    );
    assert_eq!((last.bytes_in_flight, last.parts_in_flight), (0, 0));
    assert_eq!(last.time_left, Some(Duration::ZERO));
    assert_eq!(last.bytes_sent, uploaded.bytes_sent);
    assert_eq!(last.bytes_resent, uploaded.bytes_resent);
    let by_this_run = last.bytes_done - last.bytes_resumed;
    assert_eq!(last.bytes_sent, by_this_run + last.bytes_resent);
}

#[test]
fn where_nothing_goes_wrong_no_figure_falls_and_nothing_is_sent_again() {
    for n_parts in [1, 12] {
        for routines in [1, 4] {
            let scene = Scene::with_len(n_parts * PART - 1);
            let upload = scene.upload().routines(routines);
            let (uploaded, seen) = seen(upload.rate_limit(n_parts * PART));
            assert!(seen.len() > 10, "{} looks", seen.len());
            expect_ends_well(&uploaded, &seen);
            assert_eq!(uploaded.bytes_resent, 0);
            expect_never_falls(&seen, "bytes_done", |seen| seen.bytes_done);
            expect_never_falls(&seen, "parts_done", |seen| seen.parts_done);
            expect_never_falls(&seen, "position", Snapshot::position);
            assert!(seen.iter().all(|seen| seen.position() <= seen.bytes_total));
            let mut fractions = seen.iter().map(Snapshot::fraction);
            assert!(fractions.clone().is_sorted() && fractions.next_back() == Some(1.0));
            assert!(seen.iter().any(|seen| seen.bytes_in_flight > 0));
            // The rate is known long before a part is through.
            let is_early = |seen: &&Snapshot| n_parts > 1 || seen.parts_done == 0;
            let rated = |seen: &Snapshot| seen.rate > 0 && seen.time_left.is_some();
            assert!(seen.iter().filter(is_early).any(rated));
            let at_work = seen.iter().map(|seen| usize::from(seen.parts_in_flight));
            assert!((1..=routines).contains(&at_work.max().expect("seen")));
        }
    }
}

/// Attempts break in the middle, are refused and damaged, a part is lost, and in the end the upload itself.
#[test]
fn with_faults_only_what_may_fall_does_and_all_that_was_sent_again_is_counted() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(12);
        for fault in [
            Fault::reset_after(50_000).part(2).times(2),
            Fault::status(500, "InternalError").part(4).times(1),
            Fault::flip_byte(7).part(5).times(1),
            Fault::lose_answer().part(6).times(1),
        ] {
            scene.server.fault(fault.on(UploadPart));
        }
        scene.once(Fault::lose_part(3), CompleteMultipartUpload);
        let gone = Fault::forget_upload().on(CompleteMultipartUpload);
        scene.server.fault(gone.nth(2).times(1));
        let upload = scene.upload().routines(routines);
        let (uploaded, seen) = seen(upload.rate_limit(25 * PART));
        assert_eq!(uploaded.restarts, [RestartReason::UploadGone]);
        expect_ends_well(&uploaded, &seen);
        // All of the first start, the lost part too, and all but what breaks off of five attempts.
        assert!(uploaded.bytes_resent >= uploaded.size + 4 * PART);
        assert_eq!(uploaded.bytes_sent, uploaded.size + uploaded.bytes_resent);
        expect_never_falls(&seen, "elapsed", |seen| seen.elapsed);
        expect_never_falls(&seen, "bytes_sent", |seen| seen.bytes_sent);
        expect_never_falls(&seen, "bytes_resent", |seen| seen.bytes_resent);
        expect_never_falls(&seen, "retries", |seen| seen.retries);
        let falls = |pair: &&[Snapshot]| pair[0].bytes_done > pair[1].bytes_done;
        let falls: Vec<_> = seen.windows(2).filter(falls).collect();
        let [lost, restarted] = falls[..] else {
            panic!("it fell {} times", falls.len())
        };
        assert_eq!(
            (lost[0].phase, lost[1].phase),
            (Phase::Completing, Phase::Sending)
        );
        assert_eq!(restarted[1].phase, Phase::Preparing);
        assert_eq!(restarted[1].bytes_done, 0);
    }
}

#[test]
fn what_an_earlier_run_sent_counts_as_done_and_not_into_the_rate() {
    let scene = Scene::with_parts(66).interrupted_after(60);
    let (uploaded, seen) = seen(scene.upload().rate_limit(2 * PART));
    expect_ends_well(&uploaded, &seen);
    let sending = seen.iter().filter(|seen| seen.phase == Phase::Sending);
    let sending: Vec<_> = sending.collect();
    assert!(sending.iter().all(|seen| seen.bytes_done >= 60 * PART));
    assert!(sending.iter().all(|seen| seen.bytes_resumed == 60 * PART));
    let fastest = sending.iter().map(|seen| seen.rate).max();
    assert!(
        (1..10 * PART).contains(&fastest.expect("seen")),
        "{fastest:?}"
    );
    for seen in sending {
        let left = seen.bytes_total - seen.bytes_done - seen.bytes_in_flight;
        let due = (left * 1000).checked_div(seen.rate);
        assert_eq!(seen.time_left, due.map(Duration::from_millis), "{seen:?}");
    }
}

/// The object was complete all along, so that nothing is left to be sent by anybody.
#[test]
fn what_turns_out_to_be_complete_ends_with_all_of_it_done() {
    let scene = Scene::with_parts(6);
    for fault in [Fault::lose_answer(), Fault::deny()] {
        scene.once(fault, CompleteMultipartUpload);
    }
    scene.upload().run().expect_err("nobody heard of it");
    let (uploaded, seen) = seen(scene.upload());
    expect_ends_well(&uploaded, &seen);
    assert_eq!(uploaded.bytes_sent, 0);
    assert_eq!(seen.last().expect("seen").bytes_resumed, uploaded.size);
}

#[test]
fn a_small_file_that_turns_out_to_be_stored_ends_with_all_of_it_done() {
    let scene = Scene::with_parts(1);
    scene.once(Fault::lose_answer(), PutObject);
    let (uploaded, seen) = seen(scene.upload().forbid_overwrite());
    expect_ends_well(&uploaded, &seen);
    assert_eq!(uploaded.bytes_resent, uploaded.bytes_sent);
}

/// The observer is called meanwhile, on the caller's thread.
#[test]
fn it_is_done_when_the_server_has_joined_the_parts_and_not_before() {
    for operation in [CompleteMultipartUpload, PutObject] {
        let n_parts = if operation == CompleteMultipartUpload {
            6
        } else {
            1
        };
        let scene = Scene::with_parts(n_parts);
        let (hold, gate) = Fault::hold();
        scene.server.fault(hold.on(operation));
        let (phases, ready) = (Notes::new(), Notes::new());
        let (noting, open) = (phases.clone(), gate.clone());
        let uploaded = meanwhile(
            || {
                let caller = thread::current().id();
                let mut looks = 0;
                let upload = scene.upload().progress_every(OFTEN).on_progress(|seen| {
                    assert_eq!(thread::current().id(), caller);
                    noting.add(seen.phase);
                    looks += u32::from(!ready.take().is_empty() || looks > 0);
                    if looks == 10 {
                        open.open();
                    }
                });
                upload.run()
            },
            || {
                wait_reached(&gate, 1);
                ready.add(());
            },
        );
        scene.expect_done(&uploaded.expect("uploaded"));
        let phases = phases.take();
        let done = phases.iter().position(|phase| *phase == Phase::Done);
        assert_eq!(done, Some(phases.len() - 1), "{phases:?}");
        assert!(phases.len() > 10);
    }
}

#[test]
fn an_observer_that_is_to_be_called_hardly_ever_sees_the_beginning_of_every_phase() {
    for every in [Duration::from_secs(3600), Duration::MAX] {
        let scene = Scene::with_parts(6);
        let (phases, events) = (Notes::new(), Notes::new());
        let (noting, told) = (phases.clone(), events.clone());
        let upload = scene.upload().rate_limit(12 * PART).progress_every(every);
        let upload = upload.on_progress(move |seen| noting.add(seen.phase));
        let upload = upload.on_event(move |event| told.add(event.clone()));
        upload.run().expect("uploaded");
        use Phase::{Completing, Done, Preparing, Sending};
        let expected = [Preparing, Sending, Completing, Done];
        assert_eq!(phases.take(), expected);
        let entered = events.take().into_iter().filter_map(|event| match event {
            Event::Entered { phase, .. } => Some(phase),
            _ => None,
        });
        assert_eq!(entered.collect::<Vec<_>>(), expected);
    }
}

/// What happened to each part, in order.
fn by_part(events: &[Event]) -> BTreeMap<u16, Vec<&Event>> {
    let mut parts: BTreeMap<u16, Vec<&Event>> = BTreeMap::new();
    for event in events {
        let number = match event {
            Event::PartStarted { part_number, .. }
            | Event::PartFinished { part_number, .. }
            | Event::PartFailed { part_number, .. }
            | Event::PartPaused { part_number, .. } => Some(*part_number),
            Event::Retried { part_number, .. } => *part_number,
            _ => None,
        };
        if let Some(number) = number {
            parts.entry(number).or_default().push(event);
        }
    }
    parts
}

#[test]
fn every_part_is_told_of_from_start_to_finish_on_the_callers_thread() {
    for n_parts in [1, 6] {
        for routines in [1, 4] {
            let scene = Scene::with_parts(n_parts);
            let (caller, notes) = (thread::current().id(), Notes::new());
            let told = notes.clone();
            let upload = scene.upload().routines(routines).on_event(move |event| {
                assert_eq!(thread::current().id(), caller);
                told.add(event.clone());
            });
            let uploaded = upload.run().expect("uploaded");
            let events = notes.take();
            let parts = by_part(&events);
            assert_eq!(parts.len(), usize::from(n_parts));
            let mut sum = 0;
            for (number, events) in parts {
                let [
                    Event::PartStarted { attempt: 1, .. },
                    Event::PartFinished {
                        attempt: 1,
                        bytes,
                        crc64,
                        ..
                    },
                ] = events[..]
                else {
                    panic!("part {number}: {events:?}")
                };
                sum += bytes;
                assert!(n_parts > 1 || *crc64 == uploaded.crc64);
            }
            assert_eq!(sum, uploaded.size);
            assert_eq!(events.last(), entered(&events, Phase::Done));
        }
    }
}

fn entered(events: &[Event], phase: Phase) -> Option<&Event> {
    events
        .iter()
        .find(|event| matches!(event, Event::Entered { phase: p, .. } if *p == phase))
}

#[test]
fn a_part_that_fails_is_told_of_with_the_reason_and_what_follows() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6);
        let fault = Fault::status(500, "InternalError").on(UploadPart);
        scene.server.fault(fault.part(3).times(1));
        let (uploaded, events) = told(scene.upload().routines(routines));
        uploaded.expect("uploaded");
        let parts = by_part(&events);
        let [
            Event::PartStarted { attempt: 1, .. },
            Event::PartFailed {
                attempt: 1,
                bytes: PART,
                failure: failed,
                ..
            },
            Event::Retried {
                attempt: 1,
                request: "UploadPart",
                failure: retried,
                ..
            },
            Event::PartStarted { attempt: 2, .. },
            Event::PartFinished {
                attempt: 2,
                bytes: PART,
                ..
            },
        ] = parts[&3][..]
        else {
            panic!("{:?}", parts[&3])
        };
        for EventFailure {
            kind, code, reason, ..
        } in [failed, retried]
        {
            assert_eq!(
                (*kind, code.as_deref()),
                (ErrorKind::Service, Some("InternalError"))
            );
            assert!(reason.contains("InternalError"), "{reason}");
        }
        assert!(
            parts
                .iter()
                .all(|(number, events)| *number == 3 || events.len() == 2)
        );
    }
}

#[test]
fn other_requests_are_told_of_when_they_are_made_again_and_restarts_with_their_reason() {
    let scene = Scene::with_parts(6);
    scene.once(Fault::reset_after(0), InitiateMultipartUpload);
    scene.once(Fault::forget_upload(), UploadPart);
    scene.once(
        Fault::status(503, "ServiceUnavailable"),
        CompleteMultipartUpload,
    );
    let (uploaded, events) = told(scene.upload());
    uploaded.expect("uploaded");
    let heard: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Retried {
                request,
                part_number: None,
                failure,
                ..
            } => Some((*request, failure.code.as_deref())),
            Event::Restarted {
                reason: RestartReason::UploadGone,
                ..
            } => Some(("restarted", None)),
            _ => None,
        })
        .collect();
    let expected = [
        ("InitiateMultipartUpload", None),
        ("restarted", None),
        ("CompleteMultipartUpload", Some("ServiceUnavailable")),
    ];
    assert_eq!(heard, expected);
}

#[test]
fn what_ends_an_upload_is_told_before_it_returns() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6);
        scene.server.fault(Fault::deny().on(UploadPart).part(6));
        let (ended, events) = told(scene.upload().routines(routines));
        let error = ended.expect_err("denied");
        assert_eq!(error.part_number(), Some(6));
        let parts = by_part(&events);
        let [Event::PartStarted { .. }, Event::PartFailed { failure, .. }] = parts[&6][..] else {
            panic!("{:?}", parts[&6])
        };
        assert_eq!(failure.code.as_deref(), Some("AccessDenied"));
        assert_eq!(entered(&events, Phase::Completing), None);
    }
}

/// Others go on, whatever a listener does.
#[test]
fn a_listener_that_panics_ends_the_upload_and_hears_no_more() {
    let cases: [fn(&Event) -> bool; 4] = [
        |event| {
            matches!(
                event,
                Event::Entered {
                    phase: Phase::Preparing,
                    ..
                }
            )
        },
        |event| matches!(event, Event::PartStarted { .. }),
        |event| matches!(event, Event::PartFinished { part_number: 6, .. }),
        |event| {
            matches!(
                event,
                Event::Entered {
                    phase: Phase::Completing,
                    ..
                }
            )
        },
    ];
    for panics_at in cases {
        for routines in [1, 4] {
            let scene = Scene::with_parts(6);
            let mut has_panicked = false;
            let upload = scene.upload().routines(routines).on_event(move |event| {
                if panics_at(event) || has_panicked {
                    has_panicked = true;
                    panic!("on purpose");
                }
            });
            let error = upload.run().expect_err("it ends");
            assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
            assert_eq!(scene.server.count(CompleteMultipartUpload), 0);
            scene.expect_done(&scene.upload().run().expect("it goes on"));
        }
    }
    let scene = Scene::with_parts(6);
    let upload = scene.upload().on_event(|event| {
        assert!(
            !matches!(
                event,
                Event::Entered {
                    phase: Phase::Done,
                    ..
                }
            ),
            "on purpose"
        );
    });
    scene.expect_done(&upload.run().expect("nothing can undo it"));
}

/// A listener that takes its time holds up nobody but the caller.
#[test]
fn routines_do_not_wait_for_a_listener() {
    let scene = Scene::with_parts(6);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(UploadPart).part(6));
    let upload = scene.upload().routines(2).on_event(|event| {
        if matches!(event, Event::PartStarted { part_number: 1, .. }) {
            // Until the last part is on the server: it would never be if others waited for this.
            wait_reached(&gate, 1);
            gate.open();
        }
    });
    scene.expect_done(&upload.run().expect("uploaded"));
}

#[test]
fn a_paused_upload_shows_that_it_is_and_no_rate() {
    let scene = Scene::with_parts(12);
    let control = Control::new();
    let mut looks = 0;
    let upload = scene.upload().rate_limit(24 * PART).progress_every(OFTEN);
    let upload = upload.control(&control).on_progress(|seen| {
        assert!(
            !seen.is_paused || (seen.rate, seen.time_left) == (0, None),
            "{seen:?}"
        );
        looks += u32::from(seen.is_paused);
        if seen.parts_done == 6 && looks == 0 {
            control.pause();
        } else if looks == 5 {
            control.resume();
        }
    });
    scene.expect_done(&upload.run().expect("uploaded"));
    assert!(looks >= 5, "{looks}");
}
