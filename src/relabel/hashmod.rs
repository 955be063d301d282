//! The shard a value belongs to: MD5, its last eight bytes as a big-endian number, modulo.

use md5::Digest as _;
use md5::Md5;

/// The last eight bytes of the MD5 of `value`, big-endian, modulo `modulus`.
///
/// VictoriaMetrics hashes otherwise; shards made there are not those made here.
pub(super) fn hashmod(value: &[u8], modulus: std::num::NonZeroU64) -> u64 {
    let digest: [u8; 16] = Md5::digest(value).into();
    let [_, _, _, _, _, _, _, _, tail @ ..] = digest;
    u64::from_be_bytes(tail) % modulus
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    #[test]
    fn values_fall_into_the_shards_prometheus_puts_them_in() {
        let cases: [(&str, u64, u64); 8] = [
            ("", 1000, 958),
            ("a", 8, 1),
            ("foo", 1000, 696),
            ("foo\nbar", 1000, 734),
            ("10.0.0.1:9100", 4, 1),
            ("web-1;eu", 8, 7),
            ("é", 8, 7),
            ("baz", u64::MAX, 16_450_797_887_570_275_976),
        ];
        for (value, modulus, want) in cases {
            let modulus = NonZeroU64::new(modulus).unwrap();
            assert_eq!(hashmod(value.as_bytes(), modulus), want, "{value:?}");
        }
    }
}
