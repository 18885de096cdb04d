use crate::Fault;

/// Why a host call ends the run: the errors that our own code raises inside wasmtime.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The fuel limit was reached.
    #[error("out of fuel")]
    OutOfFuel,
    /// The outputs are larger or more than the run allows.
    #[error("more output than the run allows")]
    OutputLimit,
    /// An input was opened whose layout has no room in the run's memory limit, by a call that has no error for it.
    #[error("opening an input takes more memory than the run allows")]
    MemoryLimit,
    /// A rule of an interface was broken that has no error of its own.
    #[error("{rule}")]
    Abi {
        /// Which rule.
        rule: &'static str,
    },
    /// The guest asked to end.
    #[error("exit with status {status}")]
    Exit {
        /// 0 is success.
        status: u8,
    },
    /// The guest called what no run offers.
    #[error("the task called {function}, which a run does not offer")]
    Absent {
        /// Interface and function.
        function: String,
    },
    /// This host cannot go on.
    #[error(transparent)]
    Fault(Fault),
}
