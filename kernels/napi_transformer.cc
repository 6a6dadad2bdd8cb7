// The ops of a transformer's layers but attention for JavaScript: check, then compute. Each gives false when it was aborted.
#include "blocks.h"
#include "napi.h"
#include "napi_arguments.h"

namespace compactor {
namespace {

struct WeightArgument {
  WeightType type = WeightType::F32;
  const uint8_t* data = nullptr;
  size_t rows = 0;
  size_t columns = 0;
};

// Four arguments from `i`: type, bytes, rows, columns.
WeightArgument weight_argument(Arguments& arguments, size_t i) {
  const size_t type = arguments.size(i, "weight type");
  const Span<uint8_t> bytes = arguments.bytes(i + 1, "weight bytes");
  const size_t rows = arguments.size(i + 2, "rows"), columns = arguments.size(i + 3, "columns");
  if (!arguments.require(type < kWeightTypeCount, "unknown weight type %zu", type)) return {};
  const BlockLayout layout = kBlockLayouts[type];
  arguments.require(columns > 0 && columns <= kMaxColumns && columns % layout.values == 0,
                    "columns must be a multiple of %zu up to %zu, got %zu", layout.values, kMaxColumns, columns);
  const size_t expected = product(rows, columns / layout.values, layout.bytes);
  arguments.require(bytes.count == expected, "a weight of %zu × %zu has %zu bytes, got %zu", rows, columns, expected,
                    bytes.count);
  if (!arguments.ok()) return {};
  return {static_cast<WeightType>(type), bytes.data, rows, columns};
}

}  // namespace

// embed(pool, type, bytes, rows, columns, ids, out)
napi_value embed_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "embed", 7);
  const PoolHandle handle = arguments.pool(0);
  const WeightArgument weight = weight_argument(arguments, 1);
  const Indices ids = arguments.indices(5, "ids");
  const Span<float> out = arguments.f32(6, "out");
  arguments.require(out.count == product(ids.size(), weight.columns), "out has %zu values for %zu rows of %zu",
                    out.count, ids.size(), weight.columns);
  for (size_t i = 0; arguments.ok() && i < ids.size(); i++)
    arguments.require(ids[i] < weight.rows, "id %u at %zu is not below %zu rows", ids[i], i, weight.rows);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, embed(*handle.pool, handle.isa, weight.type, weight.data, weight.columns, ids.data(),
                                  ids.size(), out.data));
}

// decode(pool, type, bytes, rows, columns, out): a whole matrix, for tests and inspection
napi_value decode_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "decode", 6);
  const PoolHandle handle = arguments.pool(0);
  const WeightArgument weight = weight_argument(arguments, 1);
  const Span<float> out = arguments.f32(5, "out");
  arguments.require(out.count == product(weight.rows, weight.columns), "out has %zu values for %zu × %zu", out.count,
                    weight.rows, weight.columns);
  if (!arguments.ok()) return nullptr;
  decode_row(handle.isa, weight.type, weight.data, out.data, out.count);
  return nullptr;
}

// matmulEach(pool, x, gain | undefined, eps, normed | undefined, int8, then of each matrix: type, bytes, rows, columns, bias |
// undefined, out)
napi_value matmul_each_call(napi_env env, napi_callback_info info) {
  constexpr size_t kFirst = 6, kOfEach = 6;
  const size_t count = count_of_each(env, info, kFirst, kOfEach, kMostProducts);
  Arguments arguments(env, info, "matmulEach", kFirst + count * kOfEach);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x");
  const Span<float> gain = arguments.optional_f32(2, "gain");
  const double eps = arguments.number(3, "eps");
  const Span<float> normed = arguments.optional_f32(4, "normed");
  const bool int8 = arguments.boolean(5, "int8");
  Product products[kMostProducts];
  size_t columns = 0, n = 0;
  for (size_t i = 0; arguments.ok() && i < count; i++) {
    const size_t at = kFirst + i * kOfEach;
    const WeightArgument weight = weight_argument(arguments, at);
    const Span<float> bias = arguments.optional_f32(at + 4, "bias"), out = arguments.f32(at + 5, "out");
    if (!arguments.ok()) return nullptr;
    arguments.require(i == 0 || weight.columns == columns, "matrices have %zu and %zu columns", columns, weight.columns);
    columns = weight.columns;
    n = x.count / columns;
    arguments.require(n * columns == x.count, "x has %zu values, not a multiple of %zu columns", x.count, columns);
    arguments.require(out.count == product(n, weight.rows), "out has %zu values for %zu × %zu", out.count, n, weight.rows);
    arguments.require(arguments.absent(at + 4) || bias.count == weight.rows, "bias has %zu values for %zu rows", bias.count,
                      weight.rows);
    products[i] = {weight.type, weight.data, weight.rows, bias.data, out.data};
  }
  const bool is_normed = arguments.ok() && !arguments.absent(2);
  arguments.require(!is_normed || gain.count == columns, "gain has %zu values for %zu columns", gain.count, columns);
  arguments.require(!is_normed || normed.count == x.count, "normed has %zu values, x has %zu", normed.count, x.count);
  if (!arguments.ok()) return nullptr;
  Pool& pool = *handle.pool;
  if (is_normed && !rms_norm_f32(pool, handle.isa, x.data, gain.data, float(eps), n, columns, normed.data))
    return boolean_value(env, false);
  const float* from = is_normed ? normed.data : x.data;
  return boolean_value(env, matmul_each_f32(pool, handle.isa, products, count, columns, from, n, int8));
}

namespace {

// From `i` on: the norm's gain and eps; of gate, up and down type, bytes, rows, columns; gelu
constexpr size_t kFeedForwardArguments = 15;

FeedForward feed_forward_arguments(Arguments& arguments, size_t i) {
  const Span<float> gain = arguments.f32(i, "gain");
  const double eps = arguments.number(i + 1, "eps");
  const WeightArgument gate = weight_argument(arguments, i + 2), up = weight_argument(arguments, i + 6);
  const WeightArgument down = weight_argument(arguments, i + 10);
  const bool gelu = arguments.boolean(i + 14, "gelu");
  const size_t dim = gate.columns, hidden = gate.rows;
  arguments.require(up.rows == hidden && up.columns == dim && down.rows == dim && down.columns == hidden,
                    "gate, up and down are %zu × %zu, %zu × %zu and %zu × %zu", hidden, dim, up.rows, up.columns, down.rows,
                    down.columns);
  arguments.require(gain.count == dim, "gain has %zu values for %zu columns", gain.count, dim);
  return {dim, hidden, gain.data, float(eps), {gate.type, gate.data}, {up.type, up.data}, {down.type, down.data}, gelu};
}

// Gives the number of tokens.
size_t check_layer_sizes(Arguments& arguments, const FeedForward& layer, size_t x, size_t between, size_t row, size_t out) {
  if (!arguments.ok()) return 0;
  const size_t n = x / layer.dim;
  arguments.require(n * layer.dim == x, "x has %zu values, not a multiple of %zu columns", x, layer.dim);
  arguments.require(between == product(n, row), "between has %zu values for %zu × %zu", between, n, row);
  arguments.require(out == x, "out has %zu values, x has %zu", out, x);
  return n;
}

}  // namespace

// feedForward(pool, x, gain, eps, then of gate, up and down: type, bytes, rows, columns; gelu, add | undefined, between, out, int8)
napi_value feed_forward_call(napi_env env, napi_callback_info info) {
  constexpr size_t kRest = 2 + kFeedForwardArguments;
  Arguments arguments(env, info, "feedForward", kRest + 4);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x");
  const FeedForward layer = feed_forward_arguments(arguments, 2);
  const Span<float> add = arguments.optional_f32(kRest, "add");
  const Span<float> between = arguments.f32(kRest + 1, "between"), out = arguments.f32(kRest + 2, "out");
  const bool int8 = arguments.boolean(kRest + 3, "int8");
  const size_t n = check_layer_sizes(arguments, layer, x.count, between.count, layer.dim + 2 * layer.hidden, out.count);
  arguments.require(arguments.absent(kRest) || add.count == x.count, "add has %zu values, x has %zu", add.count, x.count);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, feed_forward_f32(*handle.pool, handle.isa, layer, x.data, n, add.data, between.data, out.data,
                                             int8));
}

// finishLayer(pool, x, attended, type, bytes, rows, columns of output, then as feedForward from gain to gelu, between, out, int8)
napi_value finish_layer_call(napi_env env, napi_callback_info info) {
  constexpr size_t kRest = 7 + kFeedForwardArguments;
  Arguments arguments(env, info, "finishLayer", kRest + 3);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x"), attended = arguments.f32(2, "attended");
  const WeightArgument output = weight_argument(arguments, 3);
  const FeedForward layer = feed_forward_arguments(arguments, 7);
  const Span<float> between = arguments.f32(kRest, "between"), out = arguments.f32(kRest + 1, "out");
  const bool int8 = arguments.boolean(kRest + 2, "int8");
  const size_t n = check_layer_sizes(arguments, layer, x.count, between.count, 2 * layer.dim + 2 * layer.hidden, out.count);
  arguments.require(output.rows == layer.dim, "output has %zu rows for %zu columns", output.rows, layer.dim);
  arguments.require(attended.count == product(n, output.columns), "attended has %zu values for %zu × %zu", attended.count, n,
                    output.columns);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, finish_layer_f32(*handle.pool, handle.isa, {output.type, output.data}, output.columns, layer,
                                             x.data, attended.data, n, between.data, out.data, int8));
}

// matmul(pool, type, bytes, rows, columns, x, bias | undefined, add | undefined, out, int8)
napi_value matmul_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "matmul", 10);
  const PoolHandle handle = arguments.pool(0);
  const WeightArgument weight = weight_argument(arguments, 1);
  const Span<float> x = arguments.f32(5, "x");
  const Span<float> bias = arguments.optional_f32(6, "bias"), add = arguments.optional_f32(7, "add");
  const Span<float> out = arguments.f32(8, "out");
  const bool int8 = arguments.boolean(9, "int8");
  if (!arguments.ok()) return nullptr;
  const size_t n = x.count / weight.columns;
  const size_t values = product(n, weight.rows);
  arguments.require(n * weight.columns == x.count, "x has %zu values, not a multiple of %zu columns", x.count,
                    weight.columns);
  arguments.require(out.count == values, "out has %zu values for %zu × %zu", out.count, n, weight.rows);
  arguments.require(arguments.absent(6) || bias.count == weight.rows, "bias has %zu values for %zu rows", bias.count,
                    weight.rows);
  arguments.require(arguments.absent(7) || add.count == values, "add has %zu values for %zu × %zu", add.count, n,
                    weight.rows);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, matmul_f32(*handle.pool, handle.isa, weight.type, weight.data, weight.rows, weight.columns,
                                       x.data, n, bias.data, add.data, out.data, int8));
}

// rmsNorm(pool, x, gain, eps, out)
napi_value rms_norm_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "rmsNorm", 5);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x"), gain = arguments.f32(2, "gain");
  const double eps = arguments.number(3, "eps");
  const Span<float> out = arguments.f32(4, "out");
  arguments.require(gain.count > 0 && x.count % gain.count == 0, "x has %zu values, not rows of %zu", x.count,
                    gain.count);
  arguments.require(out.count == x.count, "out has %zu values, x has %zu", out.count, x.count);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, rms_norm_f32(*handle.pool, handle.isa, x.data, gain.data, float(eps), x.count / gain.count,
                                         gain.count, out.data));
}

namespace {

// (pool, gate, up, out)
napi_value gated_call(napi_env env, napi_callback_info info, const char* name, decltype(swiglu_f32)* kernel) {
  Arguments arguments(env, info, name, 4);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> gate = arguments.f32(1, "gate"), up = arguments.f32(2, "up"), out = arguments.f32(3, "out");
  arguments.require(gate.count == up.count && up.count == out.count, "gate, up and out have %zu, %zu and %zu values",
                    gate.count, up.count, out.count);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, kernel(*handle.pool, handle.isa, gate.data, up.data, gate.count, out.data));
}

}  // namespace

napi_value swiglu_call(napi_env env, napi_callback_info info) { return gated_call(env, info, "swiglu", swiglu_f32); }

napi_value geglu_call(napi_env env, napi_callback_info info) { return gated_call(env, info, "geglu", geglu_f32); }

// rope(pool, positions, frequencies, interleaved, then of each tensor: x, out)
napi_value rope_call(napi_env env, napi_callback_info info) {
  constexpr size_t kFirst = 4, kOfEach = 2;
  const size_t count = count_of_each(env, info, kFirst, kOfEach, kMostRotated);
  Arguments arguments(env, info, "rope", kFirst + count * kOfEach);
  const PoolHandle handle = arguments.pool(0);
  const Span<uint32_t> positions = arguments.u32(1, "positions");
  const Span<double> frequencies = arguments.f64(2, "frequencies");
  const bool interleaved = arguments.boolean(3, "interleaved");
  const size_t head_dim = product(frequencies.count, 2);
  arguments.require(head_dim > 0 && head_dim <= kMostHeadDim, "frequencies must be 1 to %zu, got %zu", kMostHeadDim / 2,
                    frequencies.count);
  if (!arguments.ok()) return nullptr;
  Rotated rotated[kMostRotated];
  for (size_t i = 0; i < count; i++) {
    const Span<float> x = arguments.f32(kFirst + i * kOfEach, "x"), out = arguments.f32(kFirst + i * kOfEach + 1, "out");
    if (!arguments.ok()) return nullptr;
    const size_t row = product(positions.count, head_dim);
    const size_t heads = row == 0 ? 0 : x.count / row;
    arguments.require(product(row, heads) == x.count, "x has %zu values, not heads of %zu for %zu positions", x.count,
                      head_dim, positions.count);
    arguments.require(out.count == x.count, "out has %zu values, x has %zu", out.count, x.count);
    rotated[i] = {x.data, heads, out.data};
  }
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, rope_f32(*handle.pool, rotated, count, positions.data, positions.count, head_dim,
                                     frequencies.data, interleaved));
}

}  // namespace compactor
