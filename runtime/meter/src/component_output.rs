//! The component being written.

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, Component, ComponentAliasSection, ExportKind, InstanceSection,
    ModuleArg, ModuleSection,
};

/// The component being written, item by item, with the counts that give each item its index.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) component: Component,
    modules: u32,
    functions: u32,
    instances: u32,
}

impl Output {
    pub(crate) fn module(&mut self, module: &wasm_encoder::Module) -> u32 {
        self.component.section(&ModuleSection(module));
        self.modules += 1;
        self.modules - 1
    }

    pub(crate) fn instantiate(&mut self, module: u32, arguments: &[(&str, u32)]) -> u32 {
        let mut section = InstanceSection::new();
        section.instantiate(module, arguments.iter().map(|&(name, instance)| (name, ModuleArg::Instance(instance))));
        self.component.section(&section);
        self.instances += 1;
        self.instances - 1
    }

    pub(crate) fn bag(&mut self, exports: &[(String, ExportKind, u32)]) -> u32 {
        let mut section = InstanceSection::new();
        section.export_items(exports.iter().map(|(name, kind, index)| (name.as_str(), *kind, *index)));
        self.component.section(&section);
        self.instances += 1;
        self.instances - 1
    }

    pub(crate) fn alias_function(&mut self, instance: u32, name: &str) -> u32 {
        let mut section = ComponentAliasSection::new();
        section.alias(Alias::CoreInstanceExport { instance, kind: ExportKind::Func, name });
        self.component.section(&section);
        self.next_function()
    }

    /// Adds a canonical function that makes a core function.
    pub(crate) fn canonical(&mut self, add: impl FnOnce(&mut CanonicalFunctionSection)) -> u32 {
        let mut section = CanonicalFunctionSection::new();
        add(&mut section);
        self.canonical_section(&section)
    }

    pub(crate) fn canonical_section(&mut self, section: &CanonicalFunctionSection) -> u32 {
        self.component.section(section);
        self.next_function()
    }

    pub(crate) fn lift(&mut self, function: u32, ty: u32, options: Vec<CanonicalOption>) {
        let mut section = CanonicalFunctionSection::new();
        section.lift(function, ty, options);
        self.component.section(&section);
    }

    fn next_function(&mut self) -> u32 {
        self.functions += 1;
        self.functions - 1
    }
}
