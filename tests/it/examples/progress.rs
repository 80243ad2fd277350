//! `progress`: what is told of the parts.

use super::{example, expect_stored};
use crate::support::Scene;
use oss_upload::local_server::{Fault, Operation};

#[test]
fn each_part_is_a_line_and_so_is_what_goes_wrong() {
    let scene = Scene::with_len((16 << 20) + 777);
    let broken = Fault::reset_after(1000).on(Operation::UploadPart);
    scene.server.fault(broken.part(2).times(1));
    let ran = example("progress", &scene)
        .arg(&scene.file)
        .run()
        .expect_code(0);
    let object = expect_stored(&scene, "videos/holiday.mov");
    assert_eq!(object.parts, Some(3));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let told = |begin: &str, end: &str| {
        let is_told = |line: &&&str| line.starts_with(begin) && line.ends_with(end);
        lines.iter().filter(is_told).count()
    };
    for (begin, end) in [
        ("part 1 started", ", attempt 1"),
        ("part 1 stored: 8388608 bytes in ", ", attempt 1"),
        ("part 2 failed, attempt 1: ", ""),
        ("UploadPart of part 2 again in ", ""),
        ("part 2 started", ", attempt 2"),
        ("part 2 stored: 8388608 bytes in ", ", attempt 2"),
        ("part 3 stored: 777 bytes in ", ", attempt 1"),
        ("sending", ""),
        ("completing", ""),
    ] {
        assert_eq!(told(begin, end), 1, "{begin}: {ran:?}");
    }
    assert!(ran.stdout.starts_with("16.00 MiB in "), "{ran:?}");
}
