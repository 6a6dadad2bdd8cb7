// The addon's entry: names and functions. Works in any number of worker threads at once: all state hangs on JavaScript
// objects, nothing is global.
#include "napi.h"

namespace {

struct Export {
  const char* name;
  napi_callback call;
};

constexpr Export kExports[] = {
    {"createPool", compactor::create_pool},
    {"watchAbort", compactor::watch_abort},
    {"disposePool", compactor::dispose_pool},
    {"machine", compactor::machine},
    {"embed", compactor::embed_call},
    {"decode", compactor::decode_call},
    {"matmul", compactor::matmul_call},
    {"matmulEach", compactor::matmul_each_call},
    {"feedForward", compactor::feed_forward_call},
    {"finishLayer", compactor::finish_layer_call},
    {"rmsNorm", compactor::rms_norm_call},
    {"swiglu", compactor::swiglu_call},
    {"geglu", compactor::geglu_call},
    {"rope", compactor::rope_call},
    {"attend", compactor::attend_call},
    {"store", compactor::store_call},
    {"convert", compactor::convert_call},
    {"gather", compactor::gather_call},
    {"leverage", compactor::leverage_call},
    {"chunkAttentionMass", compactor::chunk_attention_mass_call},
    {"attentionReceived", compactor::attention_received_call},
    {"cosineToMean", compactor::cosine_to_mean_call},
    {"lagSpread", compactor::lag_spread_call},
    {"lagRanks", compactor::lag_ranks_call},
    {"expectedAttention", compactor::expected_attention_call},
    {"meanOverHeads", compactor::mean_over_heads_call},
    {"softmax", compactor::softmax_call},
    {"argmax", compactor::argmax_call},
    {"describeRows", compactor::describe_rows_call},
    {"norms", compactor::norms_call},
    {"zScore", compactor::z_score_call},
    {"addScaled", compactor::add_scaled_call},
    {"softCap", compactor::soft_cap_call},
    {"multiply", compactor::multiply_call},
    {"averagePool", compactor::average_pool_call},
    {"mapFile", compactor::map_file},
    {"unmapFile", compactor::unmap_file},
    {"sha256", compactor::sha256_call},
    {"measureFma", compactor::measure_fma},
    {"measureProducts", compactor::measure_products},
    {"measureRead", compactor::measure_read},
};

}  // namespace

NAPI_MODULE_INIT() {
  for (const Export& entry : kExports) {
    napi_value function = nullptr;
    if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.call, nullptr, &function) != napi_ok ||
        napi_set_named_property(env, exports, entry.name, function) != napi_ok)
      return nullptr;
  }
  return exports;
}
