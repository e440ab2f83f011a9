"""The other libraries' side of compare.py: the same network on the same seeded input, by the same protocol as
bench_network.c.

    peer.py KIND MODEL THREADS      KIND: see KINDS
    peer.py export MODEL            writes MODEL with the suffix .onnx, which onnxruntime and openvino read
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# Each library is imported where it is used: its import belongs to its time to the first score.


def describe(model):
    from safetensors import safe_open
    with safe_open(model, framework="np") as file:
        return json.loads(file.metadata()["deeptepp"])


def seeded_input(description):
    """Each view the model format's self-test input, with its number from 1 as the seed; a mosaic as three equal
    planes."""
    from numpy_resnet import self_test_input
    section = description["input"]
    flat = description["network"]["architecture"] == "pmg2d"
    shape = tuple(section["size"][1:]) if flat else (len(section["channels"]), *section["size"])
    views = np.empty((len(section["angles_deg"]), *([3] if flat else []), *shape), np.float32)
    for number, view in enumerate(views, 1):
        view[:] = self_test_input(number, shape)
    return views


# ---- PyTorch ----


def module_of(section, tensors):
    if section["architecture"] == "pmg2d":
        from reference_pmg import PMG
        return PMG()
    from reference_resnet import ResNet
    return ResNet(section, tensors)


def torch_network(model):
    """The weights stay where the file is mapped: as little time and memory as PyTorch needs."""
    import torch
    from safetensors.torch import load_file
    tensors = load_file(model)
    with torch.device("meta"):
        network = module_of(describe(model)["network"], tensors)
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def torch_run(prepare):
    def make(model, threads):
        import torch
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        network, x = prepare(torch, torch_network(model), torch.from_numpy(seeded_input(describe(model))))
        return lambda: network(x).numpy()
    return make


def eager(torch, network, x):
    return network, x


def channels_last(torch, network, x):
    order = torch.channels_last_3d if x.ndim == 5 else torch.channels_last
    return network.to(memory_format=order), x.to(memory_format=order)


def frozen(torch, network, x):
    return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, x))), x


def compiled(torch, network, x):
    """Freezing lets the compiler fold BatchNorm and pack the weights."""
    from torch._inductor import config
    config.freezing = True
    return torch.compile(network), x


# ---- ONNX ----


def onnx_path(model):
    return Path(model).with_suffix(".onnx")


def export(model):
    import torch
    x = torch.from_numpy(seeded_input(describe(model)))
    torch.onnx.export(torch_network(model), (x,), onnx_path(model), input_names=["x"], dynamo=False)


def onnxruntime(model, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx_path(model), options, providers=["CPUExecutionProvider"])
    x = seeded_input(describe(model))
    return lambda: session.run(None, {"x": x})[0]


def openvino_compiled(model, threads, views=None, **hints):
    """float32: on a processor with bfloat16 OpenVINO would otherwise compute in that."""
    import openvino
    read = openvino.Core().read_model(onnx_path(model))
    if views:
        read.reshape({"x": [views, *list(read.input("x").shape)[1:]]})
    return openvino.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads,
                                                **hints})


def openvino(model, threads):
    import openvino
    request = openvino_compiled(model, threads, PERFORMANCE_HINT="LATENCY").create_infer_request()
    x = seeded_input(describe(model))
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))

    def run(held=x):  # the library does not hold it itself
        request.infer()
        return request.get_output_tensor().data
    return run


def openvino_streams(model, threads):
    """A view a request, as many at a time as there are threads."""
    import openvino
    compiled = openvino_compiled(model, threads, views=1, NUM_STREAMS=threads)
    x = seeded_input(describe(model))
    logits = [None] * len(x)
    queue = openvino.AsyncInferQueue(compiled, threads)
    queue.set_callback(lambda request, view: logits.__setitem__(view, request.get_output_tensor().data.copy()))

    def run():
        for view in range(len(x)):
            queue.start_async({"x": x[view:view + 1]}, view)
        queue.wait_all()
        return np.concatenate(logits)
    return run


KINDS = {
    "torch-eager": torch_run(eager), "torch-channels-last": torch_run(channels_last), "torch-frozen": torch_run(frozen),
    "torch-compile": torch_run(compiled), "onnxruntime": onnxruntime, "openvino": openvino,
    "openvino-streams": openvino_streams,
}
ONNX = {"onnxruntime", "openvino", "openvino-streams"}
ONLY_SEVERAL_VIEWS = {"openvino-streams"}


# ---- Protocol ----


def tell(*words):
    print(*words, flush=True)


def serve(run):
    logits = run().ravel()
    if not all(map(math.isfinite, logits)):
        raise ValueError("logits are not finite")
    tell("logits", *(f"{value:.9g}" for value in logits))
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        tell(f"seconds {time.perf_counter() - start:.9f}")
    status = Path("/proc/self/status").read_text()
    tell("peak", status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(sys.argv[2])
    else:
        serve(KINDS[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
