//! What a program needs to upload a file so that nothing can stop it for good.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`. Run it
//! again, where `latest.tar` is, and it continues.
//!
//! ```text
//! cargo run --release --example embed
//! ```

use oss_upload::{Checkpoint, Client};

fn main() -> Result<(), oss_upload::Error> {
    let bucket = Client::from_env().build()?.bucket("examplebucket")?;
    let uploaded = bucket
        .upload_file("backup/latest.tar", "latest.tar")
        .routines(4)
        .checkpoint(Checkpoint::beside_file())
        .run()?;
    println!(
        "{}, {} bytes, CRC-64 {}",
        uploaded.outcome, uploaded.size, uploaded.crc64
    );
    Ok(())
}
