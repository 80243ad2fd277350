//! The settings of a client, and whether they can be.

use super::clock::Clock;
use super::signer::Signer;
use super::{Client, Inner};
use crate::credentials::{Credentials, CredentialsProvider, Environment};
use crate::endpoint::{self, Addressing, Endpoint, Network};
use crate::error::Error;
use crate::retry::RetryPolicy;
use crate::sign::SignatureVersion;
use crate::transport::{IpFamily, Proxy, Settings, Timeouts, Tls, Transport};
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`Client`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    endpoint: String,
    /// Names the endpoint of the region instead.
    network: Option<Network>,
    addressing: Option<Addressing>,
    region: Option<String>,
    provider: Arc<dyn CredentialsProvider>,
    credentials_timeout: Duration,
    anonymous: bool,
    version: SignatureVersion,
    timeouts: Timeouts,
    retry: RetryPolicy,
    user_agent: Option<String>,
    host_header: Option<String>,
    ip_family: IpFamily,
    proxy: Proxy,
    tls: Tls,
}

impl Client {
    /// Starts a client for an endpoint, `[http[s]://]HOST[:PORT]`; `https` when no scheme is written.
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            endpoint: endpoint.into(),
            network: None,
            addressing: None,
            region: None,
            provider: Arc::new(Environment),
            credentials_timeout: Duration::from_secs(60),
            anonymous: false,
            version: SignatureVersion::default(),
            timeouts: Timeouts {
                connect: Duration::from_secs(10),
                stall: Duration::from_secs(20),
            },
            retry: RetryPolicy::default(),
            user_agent: None,
            host_header: None,
            ip_family: IpFamily::Any,
            proxy: Proxy::from_env(),
            tls: Tls::new(),
        }
    }

    /// Starts a client for a region such as `cn-hangzhou`, over https and the internet:
    /// [`network`](ClientBuilder::network) says otherwise.
    ///
    /// ```
    /// use oss_upload::{Client, Credentials, Network};
    ///
    /// # fn main() -> Result<(), oss_upload::Error> {
    /// let credentials = Credentials::new("id", "secret");
    /// let client = Client::for_region("cn-hangzhou")
    ///     .network(Network::Internal)
    ///     .credentials(credentials)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn for_region(region: impl Into<String>) -> ClientBuilder {
        Client::builder("")
            .region(region)
            .network(Network::default())
    }

    /// Starts a client where the environment says: at `OSS_ENDPOINT`, or else at the public endpoint of `OSS_REGION`; with
    /// `OSS_REGION` for signatures, if it is set. What is empty counts as not set. Who signs is [`Environment`], unless
    /// [said otherwise](ClientBuilder::credentials).
    ///
    /// When neither is set, [`build`](ClientBuilder::build) says so.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), oss_upload::Error> {
    /// let bucket = oss_upload::Client::from_env().build()?.bucket("examplebucket")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_env() -> ClientBuilder {
        Client::from_variables(|name| env::var_os(name))
    }

    /// A variable that is no text is left to `build` to refuse.
    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> ClientBuilder {
        let set = |name| {
            let value = variable(name)?.to_string_lossy().trim().to_owned();
            Some(value).filter(|value| !value.is_empty())
        };
        let endpoint = set("OSS_ENDPOINT");
        let network = endpoint.is_none().then(Network::default);
        let builder = Client::builder(endpoint.unwrap_or_default());
        ClientBuilder {
            network,
            region: set("OSS_REGION"),
            ..builder
        }
    }
}

impl ClientBuilder {
    /// Sets the region for V4 signatures, such as `cn-hangzhou`. Default: read from the endpoint's name.
    pub fn region(mut self, region: impl Into<String>) -> ClientBuilder {
        self.region = Some(region.into());
        self
    }

    /// Takes the region's endpoint in this network in place of the one given.
    pub fn network(mut self, network: Network) -> ClientBuilder {
        self.network = Some(network);
        self
    }

    /// Sets how buckets are addressed. Default: path style for IP addresses and `localhost`, virtual-hosted else.
    pub fn addressing(mut self, addressing: Addressing) -> ClientBuilder {
        self.addressing = Some(addressing);
        self
    }

    /// Sets who signs. Default: [`Environment`]. [`CredentialsChain::default_chain`](crate::CredentialsChain::default_chain)
    /// looks wherever Alibaba Cloud's tools do.
    pub fn credentials(mut self, provider: impl CredentialsProvider + 'static) -> ClientBuilder {
        self.provider = Arc::new(provider);
        self.anonymous = false;
        self
    }

    /// Sets how long a provider that fetches credentials may take each time. Default: 60 s.
    pub fn credentials_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.credentials_timeout = timeout;
        self
    }

    /// Sends requests unsigned.
    pub fn anonymous(mut self) -> ClientBuilder {
        self.provider = Arc::new(Credentials::anonymous());
        self.anonymous = true;
        self
    }

    /// Sets the version of signatures. Default: [`SignatureVersion::V4`].
    pub fn signature_version(mut self, version: SignatureVersion) -> ClientBuilder {
        self.version = version;
        self
    }

    /// Sets how long connecting may take, TLS included. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeouts.connect = timeout;
        self
    }

    /// Sets how long there may be silence: no byte moved, or no answer after the last byte. Default: 20 s.
    ///
    /// It does not bound how long a part takes: a slow line that still moves is never cut off.
    /// CompleteMultipartUpload may take three times as long to answer.
    pub fn stall_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeouts.stall = timeout;
        self
    }

    /// Sets how failed requests are repeated.
    pub fn retry(mut self, policy: RetryPolicy) -> ClientBuilder {
        self.retry = policy;
        self
    }

    /// Adds to the end of the user agent, `oss-upload/VERSION (OS;ARCH)`.
    pub fn user_agent(mut self, suffix: impl Into<String>) -> ClientBuilder {
        self.user_agent = Some(suffix.into());
        self
    }

    /// Sets which proxy leads to the endpoint. Default: [`Proxy::from_env`].
    ///
    /// It is not for those who issue credentials: they are reached through the environment's proxy by `https`, and else
    /// directly.
    pub fn proxy(mut self, proxy: Proxy) -> ClientBuilder {
        self.proxy = proxy;
        self
    }

    /// Sets whom to trust as an `https` endpoint, and how to prove who one is. Default: [`Tls::new`].
    ///
    /// Those who issue credentials have settings of their own, [`RamRole::tls`](crate::RamRole::tls) and the like.
    pub fn tls(mut self, tls: Tls) -> ClientBuilder {
        self.tls = tls;
        self
    }

    /// Sets which addresses are connected to. Default: [`IpFamily::Any`].
    ///
    /// An endpoint without such an address is an error that says so.
    pub fn ip_family(mut self, family: IpFamily) -> ClientBuilder {
        self.ip_family = family;
        self
    }

    /// Sets what requests say in `Host`, `HOST[:PORT]`, in place of the endpoint's host: for private links and reverse
    /// proxies that are reached under another name than they are to act for.
    ///
    /// It is said as it is, so that the bucket's name belongs into it where OSS expects it there:
    /// `examplebucket.oss-cn-hangzhou.aliyuncs.com`, with [`Addressing::Cname`] and the private link as endpoint. The
    /// connection, TLS included, is with the endpoint; signatures do not depend on it.
    pub fn host_header(mut self, host: impl Into<String>) -> ClientBuilder {
        self.host_header = Some(host.into());
        self
    }

    /// Checks the settings. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`](crate::ErrorKind::Options): the endpoint, the region, the proxy or what is to be said in `Host` is
    /// none, certificates or keys cannot be used, version 4 does not know the region, or the provider of credentials has a
    /// setting that cannot be.
    pub fn build(mut self) -> Result<Client, Error> {
        if let Some(network) = self.network {
            self.endpoint = self.endpoint_in(network)?;
        }
        let doing = || {
            format!(
                "building a client for `{}`",
                endpoint::shown(&self.endpoint)
            )
        };
        let refuse = |why: String| Error::options(doing(), why);
        let endpoint = Endpoint::parse(&self.endpoint, self.addressing).map_err(refuse)?;
        let region = self.signing_region(&endpoint).map_err(refuse)?;
        let user_agent = self.full_user_agent().map_err(refuse)?;
        let timeouts = [
            self.timeouts.connect,
            self.timeouts.stall,
            self.credentials_timeout,
        ];
        if timeouts.iter().any(Duration::is_zero) {
            return Err(refuse("a time-out of zero lets nothing succeed".to_owned()));
        }
        let provider = self.provider.check();
        provider.map_err(|why| refuse(why.to_string()))?;
        let transport = self.transport(&endpoint, user_agent).map_err(refuse)?;
        Ok(Client(Arc::new(Inner {
            signer: Signer::new(self.version, region, endpoint.product()),
            provider: self.provider,
            credentials_timeout: self.credentials_timeout,
            transport,
            endpoint,
            retry: self.retry,
            clock: Clock::default(),
        })))
    }

    fn transport(&self, endpoint: &Endpoint, user_agent: String) -> Result<Transport, String> {
        let via = self
            .proxy
            .route(endpoint.is_https(), endpoint.is_loopback())?;
        let is_direct = via
            .as_ref()
            .is_none_or(|via| !via.leads_to(endpoint.host()));
        let family = self.ip_family;
        if is_direct && endpoint.ip().is_some_and(|ip| !family.has(ip)) {
            return Err(format!(
                "the endpoint is an address of the other family than {family:?}"
            ));
        }
        if let Some(host) = &self.host_header {
            let checked = endpoint::check_authority(host);
            checked.map_err(|why| format!("what is to be said in `Host`: {why}"))?;
        }
        Transport::new(Settings {
            timeouts: self.timeouts,
            user_agent,
            host_header: self.host_header.clone(),
            ip_family: family,
            via,
            tls: self.tls.clone(),
        })
    }

    fn endpoint_in(&self, network: Network) -> Result<String, Error> {
        let region = match &self.region {
            Some(region) => checked_region(region),
            None => Err("the region is not said: set it, or OSS_REGION or OSS_ENDPOINT where the environment is to say".to_owned()),
        };
        match region {
            Ok(region) => Ok(network.endpoint(region)),
            Err(why) => Err(Error::options("building a client for a region", why)),
        }
    }

    fn signing_region(&self, endpoint: &Endpoint) -> Result<String, String> {
        let needed = self.version == SignatureVersion::V4 && !self.anonymous;
        let given = self.region.as_deref().or(endpoint.region());
        let Some(region) = given else {
            return match needed {
                true => Err("signature version 4 needs the region, and this endpoint's name does not tell it: \
                     set it, for example `cn-hangzhou`"
                    .to_owned()),
                false => Ok(String::new()),
            };
        };
        checked_region(region).map(str::to_owned)
    }

    fn full_user_agent(&self) -> Result<String, String> {
        let (os, arch) = (env::consts::OS, env::consts::ARCH);
        let own = format!("oss-upload/{} ({os};{arch})", env!("CARGO_PKG_VERSION"));
        match &self.user_agent {
            None => Ok(own),
            Some(suffix) if suffix.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) => {
                Ok(format!("{own}/{suffix}"))
            }
            Some(_) => Err("a user agent has printable ASCII characters only".to_owned()),
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("endpoint", &endpoint::shown(&self.endpoint))
            .field("region", &self.region)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The region without the prefix, which is for host names only.
fn checked_region(region: &str) -> Result<&str, String> {
    let bare = region.strip_prefix("oss-").unwrap_or(region);
    match endpoint::is_region(bare) {
        true => Ok(bare),
        false => Err(format!("`{bare}` is not a region, such as `cn-hangzhou`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn client(endpoint: &str) -> ClientBuilder {
        Client::builder(endpoint).credentials(Credentials::new("id", "the-secret"))
    }

    fn signing_region(builder: ClientBuilder) -> String {
        let client = builder.build().expect("a client");
        format!("{:?}", client.0.signer)
    }

    #[test]
    fn the_region_is_given_or_read_from_the_endpoint() {
        let read = signing_region(client("oss-cn-beijing.aliyuncs.com"));
        assert!(read.contains("\"cn-beijing\""), "{read}");
        let given = signing_region(client("oss-cn-beijing.aliyuncs.com").region("cn-hangzhou"));
        assert!(given.contains("\"cn-hangzhou\""), "{given}");
        let stripped = signing_region(client("127.0.0.1:9000").region("oss-cn-hangzhou"));
        assert!(stripped.contains("\"cn-hangzhou\""), "{stripped}");
        // Their names tell none, or one that may be called otherwise.
        for endpoint in [
            "files.example.com",
            "oss-accelerate-overseas.aliyuncs.com",
            "oss-cn-hzjbp-a-internal.aliyuncs.com",
        ] {
            let builder = client(endpoint).addressing(Addressing::Cname);
            let given = signing_region(builder.region("cn-hangzhou-finance"));
            assert!(given.contains("\"cn-hangzhou-finance\""), "{given}");
        }
    }

    fn from(variables: &[(&str, &str)]) -> Result<Client, Error> {
        let builder = Client::from_variables(|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| OsString::from(value))
        });
        builder.build()
    }

    #[test]
    fn the_environment_says_where_by_an_endpoint_or_else_by_a_region() {
        let endpoint = |variables: &[(&str, &str)]| {
            let client = from(variables).expect("a client");
            client.endpoint().to_string()
        };
        let region = ("OSS_REGION", "cn-hangzhou");
        let public = "https://oss-cn-hangzhou.aliyuncs.com";
        assert_eq!(endpoint(&[region]), public);
        assert_eq!(endpoint(&[region, ("OSS_ENDPOINT", " ")]), public);
        let here = ("OSS_ENDPOINT", "http://127.0.0.1:9000");
        assert_eq!(endpoint(&[region, here]), "http://127.0.0.1:9000");
        let beijing = ("OSS_ENDPOINT", "oss-cn-beijing.aliyuncs.com");
        assert_eq!(endpoint(&[beijing]), "https://oss-cn-beijing.aliyuncs.com");
    }

    #[test]
    fn an_environment_that_does_not_say_where_is_told_which_variables_would() {
        let said = from(&[]).expect_err("nowhere to go").to_string();
        assert!(said.contains("OSS_REGION or OSS_ENDPOINT"), "{said}");
    }

    #[test]
    fn a_region_has_an_endpoint_in_every_network_and_signs_for_itself() {
        use Network::{Accelerated, AcceleratedOverseas, DualStack, Internal, Public};
        for (network, endpoint) in [
            (Public, "https://oss-cn-beijing.aliyuncs.com"),
            (Internal, "https://oss-cn-beijing-internal.aliyuncs.com"),
            (DualStack, "https://cn-beijing.oss.aliyuncs.com"),
            (Accelerated, "https://oss-accelerate.aliyuncs.com"),
            (
                AcceleratedOverseas,
                "https://oss-accelerate-overseas.aliyuncs.com",
            ),
        ] {
            for region in ["cn-beijing", "oss-cn-beijing"] {
                let builder = Client::for_region(region).network(network);
                let client = builder.build().expect("a client");
                assert_eq!(client.endpoint().to_string(), endpoint);
                let signer = format!("{:?}", client.0.signer);
                assert!(signer.contains("\"cn-beijing\""), "{signer}");
            }
        }
        for builder in [
            Client::for_region(""),
            Client::for_region("evil.example/"),
            Client::builder("https://host").network(Public),
        ] {
            let error = builder.build().expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Options);
            assert!(error.to_string().contains("region"), "{error}");
        }
    }

    #[test]
    fn version_4_without_a_region_is_an_error_and_never_a_silent_version_1() {
        for endpoint in [
            "http://127.0.0.1",
            "https://files.example.com",
            "oss-accelerate.aliyuncs.com",
        ] {
            let error = client(endpoint).build().expect_err(endpoint);
            assert_eq!(error.kind(), ErrorKind::Options);
            assert!(error.to_string().contains("region"), "{error}");
            assert!(
                client(endpoint)
                    .signature_version(SignatureVersion::V1)
                    .build()
                    .is_ok()
            );
            assert!(client(endpoint).anonymous().build().is_ok());
        }
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let hangzhou = || client("oss-cn-hangzhou.aliyuncs.com");
        for builder in [
            client("ftp://host"),
            hangzhou().region("cn hangzhou"),
            hangzhou().region("\r\nx-oss-acl: public"),
            hangzhou().user_agent("a\r\nb"),
            hangzhou().stall_timeout(Duration::ZERO),
            hangzhou().connect_timeout(Duration::ZERO),
        ] {
            let error = builder.build().expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        }
        let client = hangzhou().build().expect("a client");
        assert_eq!(
            client.bucket("Not A Bucket").expect_err("refused").kind(),
            ErrorKind::Options
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let builder = client("oss-cn-hangzhou.aliyuncs.com");
        let shown = format!("{builder:?}");
        let client = builder.build().expect("a client");
        let bucket = client.bucket("examplebucket").expect("a bucket");
        for shown in [shown, format!("{client:?}"), format!("{bucket:?}")] {
            assert!(!shown.contains("the-secret"), "{shown}");
        }
    }

    #[test]
    fn a_password_in_an_endpoint_is_refused_and_not_repeated() {
        for endpoint in [
            "https://user:the-secret@host",
            "http://user:the-secret/the-secret@host:1/?#",
            "the-secret@://the-secret@host",
        ] {
            let builder = Client::builder(endpoint).region("cn-hangzhou");
            let shown = format!("{builder:?}");
            let error = builder.build().expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Options, "{error}");
            assert!(error.to_string().contains("no password"), "{error}");
            for said in [shown, format!("{error} {error:?}")] {
                assert!(
                    said.contains("host") && !said.contains("the-secret"),
                    "{said}"
                );
            }
        }
    }
}
