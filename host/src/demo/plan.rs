//! Who does what, as data.

/// The task, a folder of poai's own.
pub(super) const TASK: &str = "digits";

/// Who publishes the task and asks for its runs.
pub(super) const AUTHOR: &str = "author";
/// Who replays what the hosts say.
pub(super) const VERIFIER: &str = "verifier";
/// The host that alters what its guests write.
pub(super) const CHEAT: &str = "host-3";

/// The hosts that take runs.
pub(super) const HOSTS: [&str; 3] = ["host-1", "host-2", CHEAT];

/// Kernels as a machine chooses them.
pub(super) const AUTO: &str = "auto";

/// Whichever host offers: the one that the author's own node chooses.
pub(super) const NETWORK: &str = "network";

/// The least share of held-out images that a trained network reads rightly.
pub(super) const LEAST_ACCURACY: f64 = 0.95;

/// The output that tells how well the images were read.
pub(super) const REPORT: &str = "report";

/// One run of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) params: &'static [(&'static str, &'static str)],
    pub(super) inputs: &'static [(&'static str, Given)],
    /// The hosts that are asked, one after the other, until the result of one stands; or [`NETWORK`].
    pub(super) hosts: &'static [&'static str],
}

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A file of the task's folder.
    File(&'static str),
    /// An output of an earlier step, by its CID.
    Output { step: &'static str, name: &'static str },
}

const IMAGES: (&str, Given) = ("images", Given::File("data/train-images"));
const LABELS: (&str, Given) = ("labels", Given::File("data/train-labels"));

const fn weights_of(step: &'static str) -> (&'static str, Given) {
    ("weights", Given::Output { step, name: "weights" })
}

/// Three runs that train, each going on from the weights of the one before, and one that reads images
/// which the network has never seen. The third is given to the cheat first; the last goes to whoever offers.
pub(super) const PLAN: [Step; 4] = [
    Step { name: "train 1", params: &[("epochs", "10")], inputs: &[IMAGES, LABELS], hosts: &["host-1"] },
    Step {
        name: "train 2",
        params: &[("epochs", "10")],
        inputs: &[IMAGES, LABELS, weights_of("train 1")],
        hosts: &["host-2"],
    },
    Step {
        name: "train 3",
        params: &[("epochs", "10")],
        inputs: &[IMAGES, LABELS, weights_of("train 2")],
        hosts: &[CHEAT, "host-1"],
    },
    Step {
        name: "classify",
        params: &[("mode", "classify")],
        inputs: &[
            ("images", Given::File("data/test-images")),
            ("labels", Given::File("data/test-labels")),
            weights_of("train 3"),
        ],
        hosts: &[NETWORK],
    },
];

/// The same in every run: the order of the images goes on where the run before ended.
pub(super) const SEED: u64 = 1;

impl Step {
    /// What is typed after `poai run PACKAGE`. `given` finds an input's file or CID.
    pub(super) fn arguments(&self, place: &str, given: impl Fn(Given) -> String) -> Vec<String> {
        let mut arguments = vec!["--seed".to_owned(), SEED.to_string()];
        for (name, value) in self.params {
            arguments.extend(["--param".to_owned(), format!("{name}={value}")]);
        }
        for (name, source) in self.inputs {
            arguments.extend(["--input".to_owned(), format!("{name}={}", given(*source))]);
        }
        arguments.extend(["--on".to_owned(), place.to_owned()]);
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_from_earlier_steps_and_every_step_can_succeed() {
        for (index, step) in PLAN.iter().enumerate() {
            for (_, given) in step.inputs {
                if let Given::Output { step: from, .. } = given {
                    assert!(PLAN[..index].iter().any(|earlier| earlier.name == *from), "{}", step.name);
                }
            }
            assert!(step.hosts.iter().all(|host| HOSTS.contains(host) || *host == NETWORK), "{}", step.name);
            assert_ne!(step.hosts.last(), Some(&CHEAT), "{}", step.name);
        }
    }

    #[test]
    fn a_step_is_typed_as_a_user_would() {
        let given = |source| match source {
            Given::File(file) => format!("tasks/digits/{file}"),
            Given::Output { step, name } => format!("CID of {name} of {step}"),
        };
        let typed = PLAN[1].arguments("12D3Koo", given).join("\n");
        insta::assert_snapshot!(typed, @r"
        --seed
        1
        --param
        epochs=10
        --input
        images=tasks/digits/data/train-images
        --input
        labels=tasks/digits/data/train-labels
        --input
        weights=CID of weights of train 1
        --on
        12D3Koo
        ");
    }
}
