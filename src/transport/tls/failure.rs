//! What an error of TLS means: whether it may pass, and who has to put it right.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::io;

/// The error of TLS that an I/O error carries.
pub(in crate::transport) fn of(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong when repeating cannot help: the error is about who is there, not about how the bytes came.
pub(in crate::transport) fn hopeless(error: &Error, in_handshake: bool) -> Option<String> {
    match error {
        Error::InvalidCertificate(why) => Some(of_certificate(why)),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::NoCertificatesPresented => Some("the server shows no certificate".to_owned()),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) if in_handshake => Some(
            "the server does not speak TLS: is it an `http://` endpoint, or is the port another?"
                .to_owned(),
        ),
        Error::PeerIncompatible(_) | Error::UnsupportedNameType => {
            Some(format!("TLS cannot be agreed on: {error}"))
        }
        _ => None,
    }
}

fn of_certificate(why: &CertificateError) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let advice = match why {
        UnknownIssuer => {
            "nobody who is trusted has signed it: add the root of who did, or of the proxy that \
             looks into the connection, by `Tls::root_file`"
        }
        Expired | ExpiredContext { .. } => "it has expired, or the clock of this machine is fast",
        NotValidYet | NotValidYetContext { .. } => {
            "it is not valid yet, or the clock of this machine is slow"
        }
        NotValidForName | NotValidForNameContext { .. } => {
            "it is for other hosts than the endpoint: is the endpoint right, and the way the bucket is addressed?"
        }
        _ => "it cannot be trusted",
    };
    format!("the server's certificate: {advice} ({why})")
}

fn of_alert(alert: AlertDescription) -> Option<String> {
    use AlertDescription as A;
    let what = match alert {
        A::CertificateRequired | A::NoCertificate => {
            "the server demands a client certificate: give one by `Tls::client_files`"
        }
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied => "the server refuses the client certificate, or the lack of one",
        A::HandshakeFailure
        | A::ProtocolVersion
        | A::InsufficientSecurity
        | A::UnrecognisedName
        | A::NoApplicationProtocol => "the server does not agree to TLS",
        _ => return None,
    };
    Some(format!("{what} ({alert:?})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::PeerMisbehaved;

    #[test]
    fn what_is_wrong_with_who_is_there_cannot_pass() {
        use CertificateError as C;
        let certificate = |why| Error::InvalidCertificate(why);
        for (error, word) in [
            (certificate(C::UnknownIssuer), "Tls::root_file"),
            (certificate(C::Expired), "expired"),
            (certificate(C::NotValidYet), "not valid yet"),
            (certificate(C::NotValidForName), "other hosts"),
            (certificate(C::Revoked), "Revoked"),
            (certificate(C::BadSignature), "BadSignature"),
            (Error::NoCertificatesPresented, "no certificate"),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                "Tls::client_files",
            ),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "client certificate",
            ),
            (
                Error::AlertReceived(AlertDescription::HandshakeFailure),
                "agree",
            ),
        ] {
            for in_handshake in [true, false] {
                let what = hopeless(&error, in_handshake);
                let what = what.unwrap_or_else(|| panic!("{error} could pass"));
                assert!(what.contains(word), "{what}");
            }
        }
        let plain = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let what = hopeless(&plain, true).expect("it speaks something else");
        assert!(what.contains("http://"), "{what}");
    }

    #[test]
    fn what_is_wrong_with_the_bytes_may_pass() {
        for error in [
            Error::DecryptError,
            Error::PeerSentOversizedRecord,
            Error::InvalidMessage(InvalidMessage::MessageTooShort),
            Error::PeerMisbehaved(PeerMisbehaved::TooManyEmptyFragments),
            Error::AlertReceived(AlertDescription::BadRecordMac),
            Error::AlertReceived(AlertDescription::DecodeError),
            Error::AlertReceived(AlertDescription::InternalError),
        ] {
            assert_eq!(hopeless(&error, true), None, "{error}");
            assert_eq!(hopeless(&error, false), None, "{error}");
        }
        let damaged = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(hopeless(&damaged, false), None);
    }
}
