//! The library's process, as any program would use it.

use crate::cost::tell_cost_of;
use crate::role::Upload;
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET};
use oss_upload::{Bucket, Checkpoint, Client, Credentials, Error, Tls};
use std::{fs, io};

pub(crate) fn run(upload: &Upload) -> io::Result<()> {
    tell_cost_of(|| {
        let bucket = bucket(upload).map_err(io::Error::other)?;
        match upload.path.is_dir() {
            true => all_files(&bucket, upload),
            false => one_file(&bucket, upload).map_err(io::Error::other),
        }
    })
}

fn bucket(upload: &Upload) -> Result<Bucket, Error> {
    let mut tls = Tls::new();
    if let Some(root) = &upload.root {
        tls = tls.root_pem(root.as_str());
    }
    Client::builder(&upload.endpoint)
        .region("cn-hangzhou")
        .credentials(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET))
        .tls(tls)
        .build()?
        .bucket("examplebucket")
}

fn one_file(bucket: &Bucket, upload: &Upload) -> Result<(), Error> {
    let mut uploading = bucket
        .upload_file("bench.bin", &upload.path)
        .part_size(upload.part_size)
        .routines(upload.routines);
    if upload.checkpoint {
        uploading = uploading.checkpoint(Checkpoint::beside_file());
    }
    uploading.run().map(drop)
}

fn all_files(bucket: &Bucket, upload: &Upload) -> io::Result<()> {
    let entries = fs::read_dir(&upload.path)?.map(|entry| {
        let path = entry?.path();
        let name = path.file_name().expect("of a file").to_string_lossy();
        Ok((name.into_owned(), path))
    });
    let files: Vec<_> = entries.collect::<io::Result<_>>()?;
    let outcomes = bucket.upload_files(files).routines(upload.routines).run();
    for outcome in outcomes.map_err(io::Error::other)? {
        outcome.result.map_err(io::Error::other)?;
    }
    Ok(())
}
