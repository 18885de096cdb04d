//! The first task: says hello.

use poai_task::Output;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    name: String,
}

/// Writes a greeting for `name` to the output `greeting`.
#[poai_task::main]
fn hello(params: Params) -> poai_task::Result<()> {
    let greeting = greeting(&params.name)?;
    poai_task::info!("{greeting}");
    Output::write_whole("greeting", format!("{greeting}\n").as_bytes())?;
    Ok(())
}

fn greeting(name: &str) -> Result<String, &'static str> {
    match name.trim() {
        "" => Err("the parameter `name` is empty: whom shall I greet?"),
        name => Ok(format!("Hello, {name}!")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_with_a_name_is_greeted() {
        assert_eq!(greeting(" Ada "), Ok("Hello, Ada!".into()));
        assert!(greeting(" ").is_err());
    }
}
