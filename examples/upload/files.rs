//! Which files become which objects.

use crate::values::{Usage, wrong};
use lexopt::ValueExt;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(crate) enum Files {
    /// The key is written down.
    One {
        bucket: String,
        key: String,
        file: PathBuf,
    },
    /// Keys, each with its file.
    Several {
        bucket: String,
        files: Vec<(String, PathBuf)>,
    },
}

impl Default for Files {
    fn default() -> Files {
        let (bucket, files) = (String::new(), vec![]);
        Files::Several { bucket, files }
    }
}

impl Files {
    pub(crate) fn bucket(&self) -> &str {
        match self {
            Files::One { bucket, .. } | Files::Several { bucket, .. } => bucket,
        }
    }
}

/// Reads `FILE... TARGET`. A key is what is written, also when it ends with `/`, as long as there is one file, and nobody
/// says that the target is a folder.
pub(crate) fn named(mut places: Vec<OsString>, into: bool) -> Result<Files, Usage> {
    let target = places.pop().unwrap_or_default().string()?;
    if places.is_empty() {
        return wrong("name a FILE and oss://BUCKET/KEY");
    }
    let Some(rest) = target.strip_prefix("oss://") else {
        return wrong(format!(
            "`{target}` is not oss://BUCKET/KEY, which comes after each FILE"
        ));
    };
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    let files: Vec<PathBuf> = places.into_iter().map(PathBuf::from).collect();
    match <[PathBuf; 1]>::try_from(files) {
        Ok([_]) if path.is_empty() && !into => wrong(format!(
            "`{target}` is not oss://BUCKET/KEY; with --into the key is the file's name"
        )),
        Ok([file]) if !into => Ok(Files::One {
            bucket: bucket.to_owned(),
            key: path.to_owned(),
            file,
        }),
        Ok([file]) => several(bucket, path, vec![file]),
        Err(files) => several(bucket, path, files),
    }
}

fn several(bucket: &str, prefix: &str, files: Vec<PathBuf>) -> Result<Files, Usage> {
    if !prefix.is_empty() && !prefix.ends_with('/') {
        return wrong(format!(
            "files go under a prefix that ends with `/`: oss://{bucket}/{prefix}/"
        ));
    }
    let mut keyed = vec![];
    let mut taken: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files {
        let key = format!("{prefix}{}", name_of(&file)?);
        if let Some(other) = taken.insert(key.clone(), file.clone()) {
            let (file, other) = (file.display(), other.display());
            return wrong(format!("`{other}` and `{file}` would both be `{key}`"));
        }
        keyed.push((key, file));
    }
    let bucket = bucket.to_owned();
    let files = keyed;
    Ok(Files::Several { bucket, files })
}

fn name_of(file: &Path) -> Result<&str, Usage> {
    match file.file_name().map(|name| name.to_str()) {
        Some(Some(name)) => Ok(name),
        Some(None) => wrong(format!(
            "the name of `{}` is not UTF-8, as keys are",
            file.display()
        )),
        None => wrong(format!("`{}` has no name", file.display())),
    }
}
