/// The variable that continuous integration sets, whoever's it is.
const CI: &str = "CI";

/// Says that a test ends without having tested, and why: words that go on after "because". Where CI is set
/// it fails instead: what is counted as tested there was tested.
///
/// # Panics
/// If the variable `CI` is set.
#[expect(clippy::print_stderr, reason = "the test runner shows it to whoever asks what did not run")]
pub fn skipped(because: &str) {
    assert!(std::env::var_os(CI).is_none(), "this test must not be skipped where {CI} is set, but {because}");
    eprintln!("skipped, because {because}");
}
