//! Operations as commands of Redis, and answers of Redis as answers. What needs several commands is a script, which Redis runs
//! at once.

use bytes::Bytes;
use redis::{Cmd, Value};

use crate::error::StoreError;
use crate::operation::{Answer, Operation, Ttl};
use crate::space::MAX_MEMBERS;

/// A command on its way.
pub(crate) struct Request {
    pub(crate) command: Cmd,
    pub(crate) slot: u16,
    /// Whether it may be sent again when it is not known whether it was done.
    pub(crate) repeatable: bool,
}

/// Sets KEYS[1] to ARGV[2] for ARGV[3] ms if it is ARGV[1].
const SWAP: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end return 0";

/// Removes KEYS[1] if it is ARGV[1].
const REMOVE_IF: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// The set KEYS[1] holds members by when they expire. Adds ARGV[1] for ARGV[2] ms, unless there are ARGV[3] others: then
/// minus their number.
const ADD_TO_SET: &str = "local t = redis.call('TIME') \
    local now = t[1] * 1000 + math.floor(t[2] / 1000) \
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now) \
    local count = redis.call('ZCARD', KEYS[1]) \
    if count >= tonumber(ARGV[3]) and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -count end \
    local added = redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1]) \
    if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
    return added";

/// The unexpired members of the set KEYS[1].
const MEMBERS: &str = "local t = redis.call('TIME') \
    local now = t[1] * 1000 + math.floor(t[2] / 1000) \
    return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')";

impl Request {
    pub(crate) fn of(key: &str, operation: &Operation) -> Self {
        let command = match operation {
            Operation::Get => command("GET", key),
            Operation::Take => command("GETDEL", key),
            Operation::Remove => command("DEL", key),
            Operation::Put { value, ttl } => set(key, value, *ttl),
            Operation::PutIfAbsent { value, ttl } => {
                let mut command = set(key, value, *ttl);
                command.arg("NX");
                command
            }
            Operation::Swap { expected, value, ttl } => {
                let mut command = script(SWAP, key);
                command.arg(&expected[..]).arg(&value[..]).arg(ttl.millis());
                command
            }
            Operation::RemoveIf { expected } => {
                let mut command = script(REMOVE_IF, key);
                command.arg(&expected[..]);
                command
            }
            Operation::Touch { ttl } => {
                let mut command = command("PEXPIRE", key);
                command.arg(ttl.millis());
                command
            }
            Operation::AddToSet { member, ttl } => {
                let mut command = script(ADD_TO_SET, key);
                command.arg(&member[..]).arg(ttl.millis()).arg(MAX_MEMBERS);
                command
            }
            Operation::RemoveFromSet { member } => {
                let mut command = command("ZREM", key);
                command.arg(&member[..]);
                command
            }
            Operation::Members => script(MEMBERS, key),
        };
        Self { command, slot: slot(key.as_bytes()), repeatable: operation.is_repeatable() }
    }
}

/// What `value` says about `operation`.
pub(crate) fn answer(operation: &Operation, value: Value) -> Result<Answer, StoreError> {
    match (operation, value) {
        (Operation::Get | Operation::Take, Value::Nil) => Ok(Answer::Value(None)),
        (Operation::Get | Operation::Take, Value::BulkString(bytes)) => Ok(Answer::Value(Some(bytes.into()))),
        (Operation::Put { .. } | Operation::PutIfAbsent { .. }, Value::Okay) => Ok(Answer::Done(true)),
        (Operation::PutIfAbsent { .. }, Value::Nil) => Ok(Answer::Done(false)),
        (Operation::AddToSet { .. }, Value::Int(count)) if count < 0 => {
            let found = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX).saturating_add(1);
            Err(StoreError::TooLarge { what: "set", found, allowed: MAX_MEMBERS })
        }
        (Operation::Members, Value::Array(members)) => {
            members.into_iter().map(member).collect::<Result<_, _>>().map(Answer::Members)
        }
        (
            Operation::Remove
            | Operation::Swap { .. }
            | Operation::RemoveIf { .. }
            | Operation::Touch { .. }
            | Operation::AddToSet { .. }
            | Operation::RemoveFromSet { .. },
            Value::Int(count),
        ) => Ok(Answer::Done(count > 0)),
        _ => Err(unexpected()),
    }
}

fn member(value: Value) -> Result<Bytes, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.into()),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> StoreError {
    StoreError::Failed { detail: "an answer of another kind than the command has".to_owned() }
}

fn command(name: &str, key: &str) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    command
}

fn set(key: &str, value: &Bytes, ttl: Ttl) -> Cmd {
    let mut command = command("SET", key);
    command.arg(&value[..]).arg("PX").arg(ttl.millis());
    command
}

fn script(text: &str, key: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(1).arg(key);
    command
}

/// The slot of a key in a cluster: CRC-16 (XMODEM) of it, or of what stands in its first braces.
fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let begin = key.iter().position(|&byte| byte == b'{')? + 1;
        let rest = key.get(begin..)?;
        let end = rest.iter().position(|&byte| byte == b'}')?;
        rest.get(..end).filter(|tag| !tag.is_empty())
    };
    let crc = tag().unwrap_or(key).iter().fold(0u16, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    });
    crc % 16384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // As `CLUSTER KEYSLOT` says.
        assert_eq!(slot(b"123456789"), 12739);
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"foo{}{bar}"), 8363);
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
    }
}
