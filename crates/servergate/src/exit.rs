//! How the program ends: exit codes as in sysexits(3).

use std::fmt;
use std::process::ExitCode;

/// Ends that are not success, and the code that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A check or a promise did not hold.
    Failed,
    /// The command line or the configuration is wrong.
    Config,
    /// The disk, or what lies on it.
    Disk,
    /// Not now: no standby answers, an address is in use.
    Temporary,
}

impl From<Fault> for ExitCode {
    fn from(fault: Fault) -> Self {
        Self::from(match fault {
            Fault::Failed => 1,
            Fault::Config => 64,
            Fault::Disk => 74,
            Fault::Temporary => 75,
        })
    }
}

/// An end whose words were already said.
#[derive(Debug)]
pub(crate) struct Said(pub(crate) Fault);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Said {}

/// The fault an error stands for: what was said, or what it was made of.
pub(crate) fn fault_of(error: &anyhow::Error) -> Fault {
    if let Some(said) = error.downcast_ref::<Said>() {
        return said.0;
    }
    let disk = error.chain().any(|cause| {
        cause.is::<store::OpenError>()
            || cause.is::<store::CommitError>()
            || cause.is::<store::ReadError>()
    });
    if disk { Fault::Disk } else { Fault::Temporary }
}
