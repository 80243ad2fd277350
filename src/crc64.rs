//! CRC-64/XZ, the checksum in `x-oss-hash-crc64ecma`: digest and combine.
//!
//! Despite the header's name it is not CRC-64/ECMA-182.
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/check-data-transmission-integrity-by-using-crc-64>

use crc_fast::CrcAlgorithm::Crc64Xz;

/// A CRC-64 that grows with the bytes it is given.
#[derive(Debug)]
pub(crate) struct Digest(crc_fast::Digest);

impl Digest {
    pub(crate) fn new() -> Digest {
        Digest(crc_fast::Digest::new(Crc64Xz))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// The polynomial, reflected: bit 63 is the coefficient of x⁰.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

/// Appending bytes to a text multiplies its checksum by a power of x. Finding the power takes a while, using it does
/// not; parts have the same length over and over.
///
/// crc-fast combines too, but works the power out as a matrix at every call: with 10,000 parts that took more time
/// than sending them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Append(u64);

impl Append {
    pub(crate) fn of_len(len: u64) -> Append {
        let (mut power, mut square, mut left) = (1 << 63, 1 << 55, len);
        while left > 0 {
            if left & 1 == 1 {
                power = times(power, square);
            }
            square = times(square, square);
            left >>= 1;
        }
        Append(power)
    }

    /// The checksum of `A` followed by `B`, of which only checksums, and the length of `B`, are known.
    pub(crate) fn combine(self, a: u64, b: u64) -> u64 {
        times(self.0, a) ^ b
    }
}

/// The product of two polynomials modulo the CRC's.
fn times(a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    for bit in (0..64).rev() {
        if a >> bit & 1 == 1 {
            product ^= b;
        }
        // Times x.
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
    }
    product
}

/// The checksum of `A` followed by `B`.
#[cfg(test)]
pub(crate) fn combine(a: u64, b: u64, len_b: u64) -> u64 {
    Append::of_len(len_b).combine(a, b)
}

/// The checksum of parts laid one behind the other, each given by its checksum and length.
pub(crate) fn fold(parts: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let mut appended = (0, Append::of_len(0));
    parts.into_iter().fold(0, |whole, (crc, len)| {
        if appended.0 != len {
            appended = (len, Append::of_len(len));
        }
        appended.1.combine(whole, crc)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/data/vectors/crc64.json")).expect("valid JSON")
    }

    fn decimal(value: &Value) -> u64 {
        value.as_str().expect("a string").parse().expect("decimal")
    }

    fn digest(bytes: &[u8]) -> u64 {
        let mut digest = Digest::new();
        digest.update(bytes);
        digest.value()
    }

    fn bytes_named(name: &str, len: usize) -> Vec<u8> {
        match name {
            "empty" => vec![],
            "check" => b"123456789".to_vec(),
            "one-zero-byte" => vec![0],
            "hello" => b"hello".to_vec(),
            "digits" => b"0123456789".to_vec(),
            "ff32" => vec![0xff; 32],
            "z102400" => vec![0; len],
            "p102400" | "p1000000" => (0..len).map(|i| (i % 251) as u8).collect(),
            other => panic!("no such data: {other}"),
        }
    }

    #[test]
    fn digests_equal_the_published_ones() {
        for vector in vectors()["digests"].as_array().expect("an array") {
            let len = vector["length"].as_u64().expect("a number") as usize;
            let bytes = bytes_named(vector["name"].as_str().expect("a name"), len);
            assert_eq!(bytes.len(), len, "{vector}");
            assert_eq!(
                digest(&bytes),
                decimal(&vector["crc64_decimal"]),
                "{vector}"
            );
        }
    }

    #[test]
    fn a_digest_does_not_depend_on_how_the_bytes_are_cut() {
        let bytes = bytes_named("p102400", 102_400);
        let mut cut = Digest::new();
        for piece in bytes.chunks(777) {
            cut.update(piece);
        }
        assert_eq!(cut.value(), digest(&bytes));
    }

    #[test]
    fn zero_runs_of_terabytes_combine() {
        for vector in vectors()["zero_runs"].as_array().expect("an array") {
            let mut left = vector["zero_bytes"].as_u64().expect("a number");
            // Doubling: the run of 2n zeros is the run of n zeros behind itself.
            let (mut unit, mut unit_len, mut crc) = (digest(&[0]), 1_u64, 0_u64);
            while left > 0 {
                if left & 1 == 1 {
                    crc = combine(crc, unit, unit_len);
                }
                unit = combine(unit, unit, unit_len);
                unit_len *= 2;
                left >>= 1;
            }
            assert_eq!(crc, decimal(&vector["crc64_decimal"]), "{vector}");
        }
    }

    #[test]
    fn combining_equals_the_published_values() {
        for vector in vectors()["combine"].as_array().expect("an array") {
            let len = vector["len2"].as_u64().expect("a number");
            let combined = combine(decimal(&vector["crc1"]), decimal(&vector["crc2"]), len);
            assert_eq!(combined, decimal(&vector["combined"]), "{vector}");
        }
    }

    #[test]
    fn the_published_parts_fold_to_their_object() {
        let vectors = vectors();
        let parts = vectors["multipart"]["parts"].as_array().expect("an array");
        let folded = fold(parts.iter().map(|part| {
            let len = part["length"].as_u64().expect("a number");
            (decimal(&part["crc64"]), len)
        }));
        assert_eq!(folded, 17_584_420_459_868_994_622);
        assert_eq!(fold([]), 0);
    }

    #[test]
    fn combining_agrees_with_the_library_that_digests() {
        let mut random = fastrand::Rng::with_seed(64);
        for _ in 0..200 {
            let (a, b) = (random.u64(..), random.u64(..));
            let len = (random.u64(..) >> random.u32(1..64)) | 1;
            let expected = crc_fast::checksum_combine(Crc64Xz, a, b, len);
            assert_eq!(combine(a, b, len), expected, "{a} {b} {len}");
        }
    }
}
