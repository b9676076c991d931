//! Reads DER (X.690) as far as certificates need it: definite lengths in their shortest form, tags of one byte. What is
//! read here has been verified by webpki, or will be refused.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Bytes that are no DER, or not what was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoDer;

/// Elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    pub(super) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub(super) fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and what is in it.
    pub(super) fn next(&mut self) -> Result<(u8, &'d [u8]), NoDer> {
        let (&tag, rest) = self.0.split_first().ok_or(NoDer)?;
        // The number of the tag would stand in the bytes behind.
        if tag & 0x1f == 0x1f {
            return Err(NoDer);
        }
        let (&first, rest) = rest.split_first().ok_or(NoDer)?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(NoDer)?;
                let length = digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit));
                let is_shortest = length > 0x7f && digits.first() != Some(&0);
                (Some(length).filter(|_| is_shortest).ok_or(NoDer)?, rest)
            }
            _ => return Err(NoDer),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(NoDer)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// What is in the next element, which must have this tag.
    pub(super) fn expect(&mut self, wanted: u8) -> Result<&'d [u8], NoDer> {
        let (tag, content) = self.next()?;
        if tag == wanted { Ok(content) } else { Err(NoDer) }
    }

    /// The elements within the next one, a sequence.
    pub(super) fn sequence(&mut self) -> Result<Self, NoDer> {
        self.expect(SEQUENCE).map(Self)
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, wanted: u8) -> Result<Option<&'d [u8]>, NoDer> {
        if self.tag() == Some(wanted) { self.expect(wanted).map(Some) } else { Ok(None) }
    }

    /// The next element, a time (RFC 5280 section 4.1.2.5); moments before 1970 count as 1970.
    pub(super) fn time(&mut self) -> Result<SystemTime, NoDer> {
        let (tag, content) = self.next()?;
        let digits = content.strip_suffix(b"Z").filter(|text| text.iter().all(u8::is_ascii_digit)).ok_or(NoDer)?;
        let mut pairs =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')));
        let mut pair = || pairs.next().ok_or(NoDer);
        let year = match (tag, digits.len()) {
            // RFC 5280 section 4.1.2.5.1: 50 is 1950.
            (UTC_TIME, 12) => Ok(pair()?).map(|year| if year < 50 { 2000 + year } else { 1900 + year }),
            (GENERALIZED_TIME, 14) => Ok(pair()? * 100 + pair()?),
            _ => Err(NoDer),
        }?;
        let (month, day, hour, minute, second) = (pair()?, pair()?, pair()?, pair()?, pair()?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
            return Err(NoDer);
        }
        let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Ok(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }
}

/// In the Gregorian calendar. Years begin in March, so that the day that leap years have more is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(tag: u8, text: &str) -> Result<u64, NoDer> {
        let bytes = [&[tag, text.len().try_into().unwrap()], text.as_bytes()].concat();
        Der::new(&bytes).time().map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn times_are_read_as_the_calendar_has_them() {
        assert_eq!(time(UTC_TIME, "700101000000Z"), Ok(0));
        assert_eq!(time(UTC_TIME, "260102030405Z"), Ok(1_767_323_045));
        assert_eq!(time(UTC_TIME, "000229235959Z"), Ok(951_868_799));
        assert_eq!(time(UTC_TIME, "491231235959Z"), Ok(2_524_607_999));
        assert_eq!(time(UTC_TIME, "500101000000Z"), Ok(0));
        assert_eq!(time(GENERALIZED_TIME, "20500101000000Z"), Ok(2_524_608_000));
        assert_eq!(time(GENERALIZED_TIME, "99991231235959Z"), Ok(253_402_300_799));
        for (tag, text) in [
            (UTC_TIME, "7001010000Z"),
            (UTC_TIME, "700101000000"),
            (UTC_TIME, "700101000000+0100"),
            (UTC_TIME, "701301000000Z"),
            (UTC_TIME, "700100000000Z"),
            (UTC_TIME, "700101240000Z"),
            (UTC_TIME, "70010100000xZ"),
            (GENERALIZED_TIME, "700101000000Z"),
            (GENERALIZED_TIME, "20500101000000.5Z"),
            (INTEGER, "700101000000Z"),
        ] {
            assert_eq!(time(tag, text), Err(NoDer), "{text}");
        }
    }

    #[test]
    fn lengths_are_definite_and_in_their_shortest_form() {
        let long = [&[SEQUENCE, 0x81, 0x80][..], &[0; 0x80]].concat();
        assert_eq!(Der::new(&long).next(), Ok((SEQUENCE, &[0; 0x80][..])));
        for bytes in [
            &[][..],
            &[SEQUENCE],
            &[SEQUENCE, 1],
            &[SEQUENCE, 0x80, 0, 0],
            &[SEQUENCE, 0x81, 1, 0],
            &[SEQUENCE, 0x82, 0, 0x80],
            &[SEQUENCE, 0x84, 0, 0, 0, 1, 0],
            &[SEQUENCE, 0xff],
            &[0x3f, 0x81, 0, 0],
        ] {
            assert_eq!(Der::new(bytes).next(), Err(NoDer), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not_and_never_further_than_it_goes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut der = Der::new(&bytes);
            let mut read = 0;
            while let Ok((_, content)) = der.next() {
                read += content.len() + 2;
                prop_assert!(read <= bytes.len());
            }
        }

        #[test]
        fn what_was_written_is_read(content in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let length = content.len();
            let [.., high, middle, low] = length.to_be_bytes();
            let head = match length {
                0..=0x7f => vec![OCTET_STRING, low],
                0x80..=0xff => vec![OCTET_STRING, 0x81, low],
                0x100..=0xffff => vec![OCTET_STRING, 0x82, middle, low],
                _ => vec![OCTET_STRING, 0x83, high, middle, low],
            };
            let bytes = [&head[..], &content].concat();
            prop_assert_eq!(Der::new(&bytes).next(), Ok((OCTET_STRING, &content[..])));
        }
    }
}
