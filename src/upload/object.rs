//! What the object is to be: a setter for every header that an upload knows, each made of
//! [`UploadFile::header`], which takes all others.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/initiatemultipartupload> and its siblings.

use super::UploadFile;

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
    /// A key of the Key Management Service: this one, or the default key of the account.
    Kms {
        /// The id of the customer master key.
        key_id: Option<String>,
    },
}

impl UploadFile<'_> {
    /// Sets `Content-Type`. Default: OSS's, `application/octet-stream`.
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

    /// Sets who may do what with the object. Default: [`ObjectAcl::Inherited`].
    pub fn acl(self, acl: ObjectAcl) -> Self {
        self.header("x-oss-object-acl", acl.as_str())
    }

    /// Sets how the object is stored. Default: as the bucket says.
    pub fn storage_class(self, class: StorageClass) -> Self {
        self.header("x-oss-storage-class", class.as_str())
    }

    /// Sets how OSS encrypts the object. Default: as the bucket says.
    pub fn encryption(self, encryption: Encryption) -> Self {
        let method = |upload: Self, method| upload.header("x-oss-server-side-encryption", method);
        match encryption {
            Encryption::Aes256 => method(self, "AES256"),
            Encryption::Sm4 => method(self, "SM4"),
            Encryption::Kms { key_id: None } => method(self, "KMS"),
            Encryption::Kms { key_id: Some(id) } => {
                method(self, "KMS").header("x-oss-server-side-encryption-key-id", id)
            }
        }
    }

    /// Adds a tag: up to 10, each key once, 1 to 128 characters; values up to 256; letters, digits, spaces and
    /// `+ - = . _ : /`.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
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
}
