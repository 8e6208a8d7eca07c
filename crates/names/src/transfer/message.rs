//! Signed messages (RFC 8945): questions of ours, and answers to whoever holds the key.

use std::collections::HashMap;
use std::sync::Arc;

use domain::base::message_builder::{AdditionalBuilder, MessageBuilder, StaticCompressor};
use domain::base::{Message, ParsedRecord};
use domain::rdata::AllRecordData;
use domain::rdata::tsig::Time48;
use domain::tsig::{Algorithm, ClientSequence, Key, KeyName, ServerError, ServerTransaction};

/// What the signature of a message says.
pub(crate) enum Signing {
    /// There is none.
    Unsigned,
    /// It is that of our key.
    Signed(Box<ServerTransaction<Arc<Key>>>),
    /// It is not; the answer says so (RFC 8945 §5.2).
    Wrong(Box<ServerError<Arc<Key>>>),
}

/// Checks the signature of `message`, which loses its TSIG record. `key` is the one that may
/// sign here: keys belong to organisations, so two may have one name.
pub(crate) fn verify(
    key: Option<&Arc<Key>>,
    message: &mut Message<Vec<u8>>,
    now: Time48,
) -> Signing {
    let result = match key {
        Some(key) => ServerTransaction::request(key, message, now),
        None => {
            let nobody: HashMap<(KeyName, Algorithm), Arc<Key>> = HashMap::new();
            ServerTransaction::request(&nobody, message, now)
        }
    };
    match result {
        Ok(None) => Signing::Unsigned,
        Ok(Some(transaction)) => Signing::Signed(Box::new(transaction)),
        Err(error) => Signing::Wrong(Box::new(error)),
    }
}

/// The answer to a message whose signature is wrong.
pub(crate) fn error_answer(
    error: ServerError<Arc<Key>>,
    message: &Message<Vec<u8>>,
    out: &mut Vec<u8>,
) -> bool {
    let Ok(answer) = error.build_message(message, MessageBuilder::new_vec()) else {
        return false;
    };
    out.clear();
    out.extend_from_slice(&answer.finish());
    true
}

/// Signs a finished answer in `out`. What does not fit into `limit` with its signature is cut to
/// the question (RFC 8945 §5.3).
pub(crate) fn sign_answer(
    transaction: &ServerTransaction<Arc<Key>>,
    out: &mut Vec<u8>,
    limit: usize,
    now: Time48,
) -> bool {
    for whole in [true, false] {
        let Some(mut answer) = rebuild(out, whole) else {
            return false;
        };
        let signed = transaction.clone().answer(&mut answer, now).is_ok();
        let signed_bytes = answer.finish().into_target();
        if signed && signed_bytes.len() <= limit {
            *out = signed_bytes;
            return true;
        }
    }
    false
}

/// The same answer in a builder that can be signed; without its records where `whole` is false.
fn rebuild(bytes: &[u8], whole: bool) -> Option<AdditionalBuilder<StaticCompressor<Vec<u8>>>> {
    let message = Message::from_octets(bytes).ok()?;
    let mut builder = MessageBuilder::from_target(StaticCompressor::new(Vec::new())).ok()?;
    *builder.header_mut() = message.header();
    let mut builder = builder.question();
    for question in message.question() {
        builder.push(question.ok()?).ok()?;
    }
    let mut builder = builder.answer();
    let (answer, authority, additional) = (
        message.answer().ok()?,
        message.authority().ok()?,
        message.additional().ok()?,
    );
    if !whole {
        builder.header_mut().set_tc(true);
        return Some(builder.additional());
    }
    for record in answer {
        builder.push(typed(record.ok()?)?).ok()?;
    }
    let mut builder = builder.authority();
    for record in authority {
        builder.push(typed(record.ok()?)?).ok()?;
    }
    let mut builder = builder.additional();
    for record in additional {
        builder.push(typed(record.ok()?)?).ok()?;
    }
    Some(builder)
}

type Typed<'a> = domain::base::Record<
    domain::base::ParsedName<&'a [u8]>,
    AllRecordData<&'a [u8], domain::base::ParsedName<&'a [u8]>>,
>;

fn typed<'a>(record: ParsedRecord<'a, &'a [u8]>) -> Option<Typed<'a>> {
    record.into_any_record().ok()
}

/// What checks the answers to a question of ours.
pub(crate) struct Checks(Option<ClientSequence<Arc<Key>>>);

impl Checks {
    /// Signs a question, where there is a key.
    pub(crate) fn sign(
        key: Option<&Arc<Key>>,
        question: &mut AdditionalBuilder<Vec<u8>>,
        now: Time48,
    ) -> Option<Self> {
        let Some(key) = key else {
            return Some(Self(None));
        };
        let sequence = ClientSequence::request(Arc::clone(key), question, now).ok()?;
        Some(Self(Some(sequence)))
    }

    /// Checks the next answer.
    pub(crate) fn check(
        &mut self,
        message: &mut Message<Vec<u8>>,
        now: Time48,
    ) -> Result<(), String> {
        match &mut self.0 {
            Some(sequence) => sequence
                .answer(message, now)
                .map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Checks that the last answer was signed.
    pub(crate) fn done(self) -> Result<(), String> {
        self.0.map_or(Ok(()), |sequence| {
            sequence.done().map_err(|error| error.to_string())
        })
    }
}
