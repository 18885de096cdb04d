//! Families that components import and no run offers: sockets, HTTP, the time zone.
//!
//! Python's and other runtimes import them without calling, so importing is accepted. A function whose error can say
//! `not-supported` says so, and the guest may carry on; calling any other ends the run as failed, naming the function.

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType, Type, Val};

use crate::guest::Guest;
use crate::guest::meter::{Meter, cost};
use crate::guest::stop::Stop;
use crate::guest::wasi::{InputStream, IoError, OutputStream, Pollable};
use crate::guest_text::one_line;

/// How the names of absent interfaces begin.
const ABSENT: [&str; 4] = ["wasi:sockets/", "wasi:http/", "wasi:clocks/timezone@0.2.", "wasi:config/"];

/// What an error enum calls a thing that is not there.
const NOT_SUPPORTED: &str = "not-supported";

/// A resource that no function ever makes.
enum Never {}

pub(super) fn is_absent(name: &str) -> bool {
    ABSENT.iter().any(|absent| name.starts_with(absent))
}

/// Gives every absent interface that the component imports functions that say so.
pub(super) fn link(linker: &mut Linker<Guest>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine();
    for (name, item) in component.component_type().imports(engine).filter(|(name, _)| is_absent(name)) {
        if let ComponentItem::ComponentInstance(interface) = item.ty {
            let mut instance = linker.instance(name)?;
            for (member, item) in interface.exports(engine) {
                link_member(&mut instance, name, member, &item.ty)?;
            }
        }
    }
    Ok(())
}

fn link_member(
    instance: &mut LinkerInstance<'_, Guest>,
    interface: &str,
    member: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(function) => {
            let refusable = can_say_not_supported(function);
            let name = one_line(&format!("{interface}#{member}"));
            instance.func_new(member, move |mut store, _, arguments, results| {
                let meter = &mut store.data_mut().meter;
                arguments.iter().try_for_each(|argument| charge(meter, argument))?;
                match results {
                    [result] if refusable => {
                        *result = Val::Result(Err(Some(Box::new(Val::Enum(NOT_SUPPORTED.into())))));
                        Ok(())
                    }
                    _ => Err(Stop::Absent { function: name.clone() }.into()),
                }
            })
        }
        // What an absent function would have made is never there to be dropped.
        ComponentItem::Resource(_) => instance.resource(member, resource_type(member), |_, _| Ok(())),
        _ => Ok(()),
    }
}

/// Charges for an argument that was lifted value by value, since its type is whatever the component says.
fn charge(meter: &mut Meter, value: &Val) -> Result<(), Stop> {
    meter.charge(cost::ENTRY)?;
    match value {
        Val::String(text) => meter.charge_bytes(text.len() as u64),
        Val::List(values) | Val::Tuple(values) => values.iter().try_for_each(|value| charge(meter, value)),
        Val::Record(fields) => fields.iter().try_for_each(|(_, value)| charge(meter, value)),
        Val::Variant(_, Some(value)) | Val::Option(Some(value)) => charge(meter, value),
        Val::Result(Ok(Some(value)) | Err(Some(value))) => charge(meter, value),
        _ => Ok(()),
    }
}

/// Resources of the offered interfaces keep their type under the names by which absent interfaces use them.
fn resource_type(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "error" | "io-error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<Never>(),
    }
}

fn can_say_not_supported(function: &ComponentFunc) -> bool {
    let Some(Type::Result(result)) = function.results().next() else { return false };
    matches!(result.err(), Some(Type::Enum(cases)) if cases.names().any(|case| case == NOT_SUPPORTED))
}
