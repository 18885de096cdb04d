//! The attribute behind `#[poai_task::main]`, so small that it needs no parser.

use proc_macro::{TokenStream, TokenTree};

/// Makes a function a task's entry point: see `poai_task::main`.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let Some(name) = function_name(&item) else {
        return complaint("`#[poai_task::main]` belongs on a function");
    };
    if !arguments.is_empty() {
        return complaint("`#[poai_task::main]` takes no arguments");
    }
    let export: TokenStream = format!(
        r#"
        #[cfg(not(target_family = "wasm"))]
        const _: fn() -> ::std::result::Result<(), ::std::string::String> = || ::poai_task::run({name});
        #[cfg(target_family = "wasm")]
        #[expect(unsafe_code, reason = "the canonical ABI's export")]
        const _: () = {{
            struct Task;
            impl ::poai_task::bindings::Guest for Task {{
                fn run() -> ::std::result::Result<(), ::std::string::String> {{
                    ::poai_task::run({name})
                }}
            }}
            ::poai_task::bindings::export!(Task with_types_in ::poai_task::bindings);
        }};"#
    )
    .parse()
    .expect("the expansion is Rust");
    let mut expansion = item;
    expansion.extend(export);
    expansion
}

/// The identifier after the first `fn` outside of any brackets.
fn function_name(item: &TokenStream) -> Option<String> {
    let mut tokens = item.clone().into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))?;
    tokens.next().map(|name| name.to_string())
}

fn complaint(message: &str) -> TokenStream {
    format!("::std::compile_error!({message:?});").parse().expect("a macro call is Rust")
}
