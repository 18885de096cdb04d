//! What wasmtime's binding generator makes of `wit/`.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package poai:sandbox;
        world offered {
            include poai:task/task-imports@0.1.0;
            include poai:task/wasi-imports@0.1.0;
            include wasi:nn/ml@0.2.0-rc-2024-10-28;
            include poai:compute/imports@0.1.0;
        }
    ",
    world: "poai:sandbox/offered",
    imports: { default: trappable },
    trappable_error_type: {
        "wasi:filesystem/types.error-code" => crate::guest::wasi::FsError,
        "wasi:io/streams.stream-error" => crate::guest::wasi::StreamFailure,
    },
    with: {
        "poai:task/inputs.file": crate::guest::task::OpenInput,
        "poai:task/outputs.output": crate::guest::task::OpenOutput,
        "wasi:io/error.error": crate::guest::wasi::IoError,
        "wasi:io/poll.pollable": crate::guest::wasi::Pollable,
        "wasi:io/streams.input-stream": crate::guest::wasi::InputStream,
        "wasi:io/streams.output-stream": crate::guest::wasi::OutputStream,
        "wasi:filesystem/types.descriptor": crate::guest::wasi::Descriptor,
        "wasi:filesystem/types.directory-entry-stream": crate::guest::wasi::Listing,
        "poai:compute/kernels.buffer": crate::guest::compute::ComputeBuffer,
        "poai:compute/kernels.kernel": crate::guest::compute::ComputeKernel,
        "wasi:nn/errors.error": crate::guest::nn::NnError,
        "wasi:nn/tensor.tensor": crate::guest::nn::NnTensor,
        "wasi:nn/graph.graph": crate::guest::nn::NnGraph,
        "wasi:nn/inference.graph-execution-context": crate::guest::nn::NnContext,
    },
});
