//! What the object is to be: a setter for every header that an upload knows, each made of
//! [`UploadFile::header`], which takes all others.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/initiatemultipartupload> and its siblings.

use super::UploadFile;
use crate::upload::options::callback::Callback;
use std::time::SystemTime;

/// Who may do what with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectAcl {
    /// What the bucket's own rule says.
    Inherited,
    /// Only its owner and those with permission read and write.
    Private,
    /// Everyone reads.
    PublicRead,
    /// Everyone reads and writes.
    PublicReadWrite,
}

impl ObjectAcl {
    fn as_str(self) -> &'static str {
        match self {
            ObjectAcl::Inherited => "default",
            ObjectAcl::Private => "private",
            ObjectAcl::PublicRead => "public-read",
            ObjectAcl::PublicReadWrite => "public-read-write",
        }
    }
}

/// How an object is stored and billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageClass {
    /// For what is read often.
    Standard,
    /// `IA`, for what is read seldom.
    InfrequentAccess,
    /// For what must be restored before it is read.
    Archive,
    /// Cheaper, and slower to restore.
    ColdArchive,
    /// The cheapest, and the slowest to restore.
    DeepColdArchive,
}

impl StorageClass {
    fn as_str(self) -> &'static str {
        match self {
            StorageClass::Standard => "Standard",
            StorageClass::InfrequentAccess => "IA",
            StorageClass::Archive => "Archive",
            StorageClass::ColdArchive => "ColdArchive",
            StorageClass::DeepColdArchive => "DeepColdArchive",
        }
    }
}

/// With which key OSS encrypts an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// A key of OSS, AES-256.
    Aes256,
    /// A key of OSS, SM4.
    Sm4,
    /// A key of the Key Management Service.
    Kms(Kms),
}

impl From<Kms> for Encryption {
    fn from(kms: Kms) -> Encryption {
        Encryption::Kms(kms)
    }
}

/// Encryption with a key of the Key Management Service. Default: the key that OSS manages there for the account, AES-256.
///
/// ```
/// use oss_upload::Kms;
///
/// let encryption = Kms::new().key_id("9468da86-3509-4f8d-a61e-6eab1eac").data_sm4();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it encrypts nothing until it is given to an upload"]
pub struct Kms {
    key_id: Option<String>,
    data_sm4: bool,
}

impl Kms {
    /// The key that OSS manages for the account.
    pub fn new() -> Kms {
        Kms::default()
    }

    /// Sets the id of the customer master key: printable ASCII without spaces.
    pub fn key_id(mut self, id: impl Into<String>) -> Kms {
        self.key_id = Some(id.into());
        self
    }

    /// Encrypts the data with SM4 instead of AES-256.
    pub fn data_sm4(mut self) -> Kms {
        self.data_sm4 = true;
        self
    }
}

impl UploadFile<'_> {
    /// Sets `Content-Type`. Default: what the key's extension stands for, else what that of the file's name does, else
    /// `application/octet-stream`.
    ///
    /// The table is that of the crate `mime_guess`. Text types are guessed without a charset, since a name does not tell in
    /// which one the file is written: `text/plain`, not `text/plain; charset=utf-8`.
    pub fn content_type(self, value: impl Into<String>) -> Self {
        self.header("content-type", value)
    }

    /// Sets `Cache-Control`, which OSS returns with the object.
    pub fn cache_control(self, value: impl Into<String>) -> Self {
        self.header("cache-control", value)
    }

    /// Sets `Content-Disposition`, which OSS returns with the object.
    pub fn content_disposition(self, value: impl Into<String>) -> Self {
        self.header("content-disposition", value)
    }

    /// Sets `Content-Encoding`: how the file's bytes are encoded already, such as `gzip`. Nothing is encoded.
    pub fn content_encoding(self, value: impl Into<String>) -> Self {
        self.header("content-encoding", value)
    }

    /// Sets `Content-Language`.
    pub fn content_language(self, value: impl Into<String>) -> Self {
        self.header("content-language", value)
    }

    /// Sets `Expires`, an HTTP date, sent as it is given.
    pub fn expires(self, value: impl Into<String>) -> Self {
        self.header("expires", value)
    }

    /// Sets `Expires` to a time, in whole seconds: 1970 to 9999.
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.given.expires.push(time);
        self
    }

    /// Sets who may do what with the object. Default: [`ObjectAcl::Inherited`].
    pub fn acl(self, acl: ObjectAcl) -> Self {
        self.header("x-oss-object-acl", acl.as_str())
    }

    /// Sets how the object is stored. Default: as the bucket says.
    pub fn storage_class(self, class: StorageClass) -> Self {
        self.header("x-oss-storage-class", class.as_str())
    }

    /// Sets how OSS encrypts the object: an [`Encryption`] or a [`Kms`]. Default: as the bucket says.
    pub fn encryption(self, encryption: impl Into<Encryption>) -> Self {
        const METHOD: &str = "x-oss-server-side-encryption";
        let kms = match encryption.into() {
            Encryption::Aes256 => return self.header(METHOD, "AES256"),
            Encryption::Sm4 => return self.header(METHOD, "SM4"),
            Encryption::Kms(kms) => kms,
        };
        let mut upload = self.header(METHOD, "KMS");
        if let Some(id) = kms.key_id {
            upload = upload.header("x-oss-server-side-encryption-key-id", id);
        }
        match kms.data_sm4 {
            true => upload.header("x-oss-server-side-data-encryption", "SM4"),
            false => upload,
        }
    }

    /// Adds a tag: up to 10, each key once, 1 to 128 characters; values up to 256; letters, digits, spaces and
    /// `+ - = . _ : /`.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.given.tags.push((key.into(), value.into()));
        self
    }

    /// Fails with OSS's `FileAlreadyExists` instead of replacing an object of this key: before a part is sent when it is
    /// there already, at the end when it comes in between. OSS ignores it in buckets with versioning.
    pub fn forbid_overwrite(self) -> Self {
        self.header("x-oss-forbid-overwrite", "true")
    }

    /// Agrees to pay for the requests, in a bucket whose owner does not.
    pub fn request_payer(self) -> Self {
        self.header("x-oss-request-payer", "requester")
    }

    /// Limits the speed of each request at the server, in bits a second: 819,200 to 838,860,800. With n routines the
    /// upload may use n times as much.
    pub fn traffic_limit(self, bits_per_second: u32) -> Self {
        self.header("x-oss-traffic-limit", bits_per_second.to_string())
    }

    /// Lets OSS call a server of yours once the object is stored.
    pub fn callback(mut self, callback: Callback) -> Self {
        self.given.callbacks.push(callback);
        self
    }
}
