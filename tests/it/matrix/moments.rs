//! The moments of an upload in which its calls are made: what may happen to a call is tried in each of them.

use crate::support::runs::watched;
use crate::support::{BUCKET, KEY, PART, Scene, hasty};
use Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, ListParts,
    PutObject, UploadPart,
};
use oss_upload::local_server::{Fault, FaultHandle, Operation};
use oss_upload::{Error, Outcome, Uploaded};
use std::collections::BTreeSet;

/// How often a request is attempted here.
pub(super) const ATTEMPTS: u32 = 3;

/// A moment in which an upload makes a call.
pub(super) struct Moment {
    name: &'static str,
    call: Operation,
    /// Where more routines than one make a difference, both.
    routines: &'static [usize],
    /// A scene whose next run comes to that moment.
    arrange: fn() -> Scene,
}

static MOMENTS: [Moment; 12] = [
    Moment {
        name: "beginning",
        call: InitiateMultipartUpload,
        routines: &[1],
        arrange: fresh,
    },
    Moment {
        name: "beginning anew what is gone",
        call: InitiateMultipartUpload,
        routines: &[4],
        arrange: gone,
    },
    Moment {
        name: "sending parts",
        call: UploadPart,
        routines: &[1, 4],
        arrange: fresh,
    },
    Moment {
        name: "sending the missing parts",
        call: UploadPart,
        routines: &[1, 4],
        arrange: resumed,
    },
    Moment {
        name: "asking which parts are there",
        call: ListParts,
        routines: &[1],
        arrange: resumed,
    },
    Moment {
        name: "asking which part got lost",
        call: ListParts,
        routines: &[4],
        arrange: losing_a_part,
    },
    Moment {
        name: "completing",
        call: CompleteMultipartUpload,
        routines: &[1, 4],
        arrange: fresh,
    },
    Moment {
        name: "completing what was resumed",
        call: CompleteMultipartUpload,
        routines: &[1, 4],
        arrange: resumed,
    },
    Moment {
        name: "putting a small file",
        call: PutObject,
        routines: &[1],
        arrange: small,
    },
    Moment {
        name: "looking whether it is complete",
        call: HeadObject,
        routines: &[1],
        arrange: unheard,
    },
    Moment {
        name: "looking whether what is gone is complete",
        call: HeadObject,
        routines: &[4],
        arrange: gone,
    },
    Moment {
        name: "aborting what is of no use",
        call: AbortMultipartUpload,
        routines: &[1],
        arrange: changed,
    },
];

fn fresh() -> Scene {
    Scene::with_parts(4)
}

fn resumed() -> Scene {
    let scene = fresh();
    scene.interrupt_after(1);
    scene
}

fn gone() -> Scene {
    let scene = resumed();
    scene.server.drop_upload(&scene.upload_id());
    scene
}

fn losing_a_part() -> Scene {
    let scene = fresh();
    scene.once(Fault::lose_part(2), CompleteMultipartUpload);
    scene
}

fn small() -> Scene {
    Scene::with_len(PART - 1)
}

/// The first answer to Complete gets lost: the second one says that there is no such upload.
fn unheard() -> Scene {
    let scene = fresh();
    scene.once(Fault::lose_answer(), CompleteMultipartUpload);
    scene
}

fn changed() -> Scene {
    let scene = resumed();
    scene.rewrite();
    scene
}

/// A moment, come to by so many routines.
#[derive(Clone, Copy)]
pub(super) struct At {
    moment: &'static Moment,
    pub(super) routines: usize,
}

pub(super) fn all_moments() -> impl Iterator<Item = At> {
    MOMENTS.iter().flat_map(|moment| {
        let routines = moment.routines.iter();
        routines.map(move |routines| At {
            moment,
            routines: *routines,
        })
    })
}

/// One moment for every call.
pub(super) fn one_for_each_call() -> impl Iterator<Item = At> {
    let mut seen = BTreeSet::new();
    all_moments().filter(move |at| seen.insert(format!("{:?}", at.call())))
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Moment { name, call, .. } = self.moment;
        write!(f, "{name} ({call:?}) by {}", self.routines)
    }
}

/// What an upload takes when nothing goes wrong at this moment.
pub(super) struct Calm {
    pub(super) uploaded: Uploaded,
    pub(super) calls: usize,
}

impl At {
    pub(super) fn call(self) -> Operation {
        self.moment.call
    }

    pub(super) fn is_of(self, calls: &[Operation]) -> bool {
        calls.contains(&self.call())
    }

    /// How often one run comes to it that fails each time: what could not be aborted is tried again in the end.
    pub(super) fn times_over(self) -> u32 {
        match self.call() {
            AbortMultipartUpload => 2,
            _ => 1,
        }
    }

    /// The scene, with a client that gives up soon.
    pub(super) fn scene(self) -> Scene {
        let scene = (self.moment.arrange)();
        scene.with_client(|client| client.retry(hasty().max_attempts(ATTEMPTS)))
    }

    pub(super) fn calm(self) -> Calm {
        let scene = self.scene();
        let uploaded = self.run_ok(&scene, "nothing goes wrong");
        scene.expect_done(&uploaded);
        Calm {
            uploaded,
            calls: scene.server.count(self.call()),
        }
    }

    /// Faults that act together on the call of this moment; of parts on the third, which no scene has sent before.
    pub(super) fn strike(self, scene: &Scene, faults: &[Fault], times: u32) -> Vec<FaultHandle> {
        let narrowed = faults.iter().map(|fault| {
            let fault = fault.clone().on(self.call()).times(times);
            match self.call() {
                UploadPart => fault.part(3),
                _ => fault,
            }
        });
        narrowed.map(|fault| scene.server.fault(fault)).collect()
    }

    pub(super) fn run(self, scene: &Scene) -> Result<Uploaded, Error> {
        watched(scene.upload().routines(self.routines))
    }

    pub(super) fn run_ok(self, scene: &Scene, what: &str) -> Uploaded {
        let ran = self.run(scene);
        ran.unwrap_or_else(|why| panic!("{self}, {what}: {why}"))
    }

    pub(super) fn run_err(self, scene: &Scene, what: &str) -> Error {
        let Err(error) = self.run(scene) else {
            panic!("{self}, {what}: it succeeded")
        };
        assert_eq!(error.is_resumable(), self.has_state(), "{self}, {what}");
        assert_eq!(scene.checkpoint().exists(), self.has_state(), "{self}");
        let part = (self.call() == UploadPart).then_some(3);
        assert_eq!(error.part_number(), part, "{self}, {what}");
        error
    }

    /// Whether there is an upload to be continued at this moment.
    fn has_state(self) -> bool {
        !matches!(self.call(), InitiateMultipartUpload | PutObject)
    }

    /// What was wrong is over: the next run succeeds and sends nothing again that the server has.
    pub(super) fn expect_goes_on(self, scene: &Scene, error: &Error, what: &str) {
        scene.server.clear_faults();
        let uploads = scene.server.pending_uploads().into_iter();
        let of_ours = uploads.filter(|upload| Some(&*upload.upload_id) == error.upload_id());
        let stored: u64 = of_ours
            .flat_map(|upload| upload.parts)
            .map(|part| part.size)
            .sum();
        let was_complete = error.is_resumable() && scene.server.object(BUCKET, KEY).is_some();
        let uploaded = self.run_ok(scene, &format!("the run after {what}"));
        assert!(
            uploaded.bytes_sent + stored <= uploaded.size,
            "{self}, {what}: {stored} bytes were there, {} were sent",
            uploaded.bytes_sent
        );
        if was_complete {
            assert_eq!(uploaded.outcome, Outcome::AlreadyComplete, "{self}, {what}");
            assert_eq!(uploaded.bytes_sent, 0, "{self}, {what}");
        }
        scene.expect_done_but_for_orphans(&uploaded);
    }
}
