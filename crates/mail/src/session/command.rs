//! Commands, one verb a function (RFC 5321 §4.1.1), and what the answers to them lead to.

use host::session::Output;

use super::{Answer, Asked, Body, Chunk, Inbound, Question, Stage, Transaction, reply};
use crate::envelope::{Recipient, Sender};
use crate::wire::command::{Command, MailCommand, RcptCommand};
use crate::wire::reply::Reply;

impl Inbound {
    /// One line. `more` says whether bytes came behind it in the same go.
    pub(super) fn command(&mut self, line: &[u8], more: bool, out: &mut Output<Question>) {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(fault) => return self.mistake(&fault.reply(), out),
        };
        // RFC 2920 §3.1: the commands that change what follows are the last of their group. What
        // came behind them too early was not meant for us, or hides something.
        let last_of_group = matches!(
            command,
            Command::Ehlo(_) | Command::Helo(_) | Command::Data | Command::StartTls
        );
        if more && last_of_group && !matches!(command, Command::StartTls) {
            return self.farewell(&reply::TOO_EARLY, out);
        }
        let brings_one_nearer = matches!(
            command,
            Command::Rcpt(_) | Command::Data | Command::Bdat { .. } | Command::Quit
        );
        if !brings_one_nearer {
            self.idle += 1;
        }
        if self.idle > self.terms.idle {
            return self.farewell(&reply::TOO_MANY_IDLE, out);
        }
        match command {
            Command::Ehlo(name) => self.hello(&name, true, out),
            Command::Helo(name) => self.hello(&name, false, out),
            Command::Mail(mail) => self.mail(mail, out),
            Command::Rcpt(rcpt) => self.rcpt(rcpt, out),
            Command::Data => self.data(out),
            Command::Bdat { size, last } => self.bdat(size, last, out),
            Command::Rset => {
                self.give_up(out);
                self.say(&reply::OK, out);
            }
            Command::Noop => self.say(&reply::OK, out),
            Command::Quit => self.farewell(&reply::goodbye(&self.terms.name), out),
            // RFC 5321 §3.5.3, §7.3: names are not told; 252 promises nothing.
            Command::Vrfy => self.say(&reply::CANNOT_VERIFY, out),
            Command::Help => self.say(&reply::HELP, out),
            Command::StartTls => self.starttls(out),
            Command::Expn
            | Command::Lhlo(_)
            | Command::Auth
            | Command::Xclient(_)
            | Command::Unknown => {
                self.mistake(&reply::NOT_IMPLEMENTED, out);
            }
        }
    }

    /// Refuses what was wrong; too much of that ends the conversation.
    pub(super) fn mistake(&mut self, reply: &Reply, out: &mut Output<Question>) {
        self.mistakes += 1;
        if self.mistakes > self.terms.mistakes {
            return self.farewell(&reply::TOO_MANY_MISTAKES, out);
        }
        self.say(reply, out);
    }

    fn hello(&mut self, name: &str, esmtp: bool, out: &mut Output<Question>) {
        // RFC 5321 §4.1.4: EHLO in the middle of a message gives it up.
        self.give_up(out);
        name.clone_into(&mut self.client.helo);
        self.client.esmtp = esmtp;
        self.stage = Stage::Ready;
        let offered = self.terms.starttls && self.client.tls.is_none();
        match esmtp {
            true => reply::extensions(&self.terms, offered).write_to(out.bytes()),
            false => reply::hello(&self.terms.name).write_to(out.bytes()),
        }
    }

    fn starttls(&mut self, out: &mut Output<Question>) {
        if !self.terms.starttls || self.client.tls.is_some() {
            return self.mistake(&reply::NO_TLS, out);
        }
        if self.client.helo.is_empty() {
            return self.mistake(&reply::HELLO_FIRST, out);
        }
        self.give_up(out);
        self.say(&reply::READY_FOR_TLS, out);
        // What came behind it in clear is thrown away, here and by the driver (RFC 3207 §4.2).
        self.stage = Stage::Shaking;
        out.secure();
    }

    fn mail(&mut self, mail: MailCommand, out: &mut Output<Question>) {
        match self.stage {
            Stage::Ready => {}
            Stage::Greeting => return self.mistake(&reply::HELLO_FIRST, out),
            _ => return self.mistake(&reply::NESTED_MAIL, out),
        }
        if self.messages >= self.terms.messages {
            return self.farewell(&reply::TOO_MANY_MESSAGES, out);
        }
        if mail.size.is_some_and(|size| size > self.terms.message) {
            // RFC 1870 §6.1.
            return self.say(&reply::TOO_LARGE, out);
        }
        // RFC 6531 §3.5 wants SMTPUTF8 for an address that is not ASCII. COMPAT: many senders forget
        // it and Postfix takes them (`strict_smtputf8 = no`), so the primary says what it thinks.
        let sender = Sender {
            path: mail.from,
            eight_bit: mail.eight_bit,
            utf8: mail.utf8,
            ret: mail.ret,
            envid: mail.envid,
        };
        let question = Question::Begin {
            client: self.client.clone(),
            sender,
            size: mail.size,
            further: mail.further,
        };
        self.ask(question, Asked::Begin, out);
    }

    pub(super) fn begun(&mut self, answer: Answer, out: &mut Output<Question>) {
        match answer {
            Answer::Say(reply) => self.say(&reply, out),
            _ => {
                self.messages += 1;
                self.stage = Stage::Transaction(Transaction::default());
                self.say(&reply::SENDER_OK, out);
            }
        }
    }

    fn rcpt(&mut self, rcpt: RcptCommand, out: &mut Output<Question>) {
        let Stage::Transaction(transaction) = &self.stage else {
            return self.mistake(&reply::MAIL_FIRST, out);
        };
        if transaction.recipients >= self.terms.recipients {
            // RFC 5321 §4.5.3.1.10: the sender comes back with the rest.
            return self.say(&reply::TOO_MANY_RECIPIENTS, out);
        }
        if rcpt.routed || rcpt.to.looks_routed() {
            // Source routes, `%`, `!`, a second `@`: all were ways to be relayed.
            return self.stranger(&reply::NO_RELAY, out);
        }
        let recipient = Recipient {
            mailbox: rcpt.to,
            notify: rcpt.notify,
            orcpt: rcpt.orcpt,
        };
        let question = Question::Recipient(recipient, rcpt.further);
        self.ask(question, Asked::Recipient, out);
    }

    /// Refuses a recipient; whoever tries many is sent away.
    fn stranger(&mut self, reply: &Reply, out: &mut Output<Question>) {
        self.strangers += 1;
        if self.strangers > self.terms.strangers {
            return self.farewell(&reply::TOO_MANY_STRANGERS, out);
        }
        self.say(reply, out);
    }

    pub(super) fn recipient_answered(&mut self, answer: Answer, out: &mut Output<Question>) {
        let reply = match answer {
            Answer::Say(reply) => reply,
            _ => reply::RECIPIENT_OK,
        };
        if reply.code() / 100 == 2 {
            if let Stage::Transaction(transaction) = &mut self.stage {
                transaction.recipients += 1;
            }
            self.say(&reply, out);
        } else if reply.code() / 100 == 5 {
            self.stranger(&reply, out);
        } else {
            // Deferred: no mistake, and no message either.
            self.idle += 1;
            self.say(&reply, out);
        }
    }

    fn data(&mut self, out: &mut Output<Question>) {
        match &self.stage {
            Stage::Transaction(transaction) if transaction.recipients > 0 => {
                self.ask(Question::Body, Asked::Data, out);
            }
            Stage::Transaction(_) => self.mistake(&reply::NO_RECIPIENTS, out),
            // RFC 3030 §2: DATA after BDAT is out of order.
            _ => self.mistake(&reply::MAIL_FIRST, out),
        }
    }

    pub(super) fn data_answered(&mut self, answer: Answer, out: &mut Output<Question>) {
        match answer {
            Answer::Say(reply) if reply.code() != 354 => self.say(&reply, out),
            _ => {
                self.say(&reply::SEND_IT, out);
                if matches!(self.stage, Stage::Transaction(_)) {
                    self.stage = Stage::Data(Box::default(), Body::default());
                }
            }
        }
    }

    /// RFC 3030 §2: the bytes follow whatever we answer, so they are read in any case.
    fn bdat(&mut self, size: u64, last: bool, out: &mut Output<Question>) {
        match std::mem::replace(&mut self.stage, Stage::Ready) {
            Stage::Chunk(transaction, body, _) => {
                let chunk = Chunk {
                    left: size,
                    last,
                    inside: true,
                };
                self.stage = Stage::Chunk(transaction, body, chunk);
                self.after_chunk(out);
            }
            Stage::Transaction(transaction) if transaction.recipients > 0 => {
                self.stage = Stage::Transaction(transaction);
                self.ask(Question::Body, Asked::FirstChunk { size, last }, out);
            }
            stage => {
                // Nobody will have these bytes; they are swallowed so that they are no commands.
                let refused = match &stage {
                    Stage::Transaction(_) => reply::NO_RECIPIENTS,
                    _ => reply::MAIL_FIRST,
                };
                self.stage = stage;
                if size > self.terms.message || matches!(self.stage, Stage::Greeting) {
                    return self.farewell(&refused, out);
                }
                self.give_up(out);
                let body = Body {
                    fault: Some(super::BodyFault::Refused),
                    said: Some(refused),
                    ..Body::default()
                };
                let chunk = Chunk {
                    left: size,
                    last: true,
                    inside: true,
                };
                self.stage = Stage::Chunk(Transaction::default(), body, chunk);
                self.after_chunk(out);
            }
        }
    }
}
