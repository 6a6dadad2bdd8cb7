// What JavaScript can call; src/backends/binding.ts is the typed face. Registered in napi.cc, written in napi_*.cc.
#pragma once
#include <node_api.h>

namespace compactor {

// napi_pool.cc
napi_value create_pool(napi_env env, napi_callback_info info);
napi_value watch_abort(napi_env env, napi_callback_info info);
napi_value dispose_pool(napi_env env, napi_callback_info info);
napi_value machine(napi_env env, napi_callback_info info);

// napi_transformer.cc
napi_value embed_call(napi_env env, napi_callback_info info);
napi_value decode_call(napi_env env, napi_callback_info info);
napi_value matmul_call(napi_env env, napi_callback_info info);
napi_value matmul_each_call(napi_env env, napi_callback_info info);
napi_value feed_forward_call(napi_env env, napi_callback_info info);
napi_value finish_layer_call(napi_env env, napi_callback_info info);
napi_value rms_norm_call(napi_env env, napi_callback_info info);
napi_value swiglu_call(napi_env env, napi_callback_info info);
napi_value geglu_call(napi_env env, napi_callback_info info);
napi_value rope_call(napi_env env, napi_callback_info info);

// napi_attention.cc
napi_value attend_call(napi_env env, napi_callback_info info);
napi_value attention_received_call(napi_env env, napi_callback_info info);

// napi_cache.cc
napi_value store_call(napi_env env, napi_callback_info info);
napi_value convert_call(napi_env env, napi_callback_info info);
napi_value gather_call(napi_env env, napi_callback_info info);

// napi_scoring.cc
napi_value leverage_call(napi_env env, napi_callback_info info);
napi_value chunk_attention_mass_call(napi_env env, napi_callback_info info);
napi_value cosine_to_mean_call(napi_env env, napi_callback_info info);
napi_value lag_spread_call(napi_env env, napi_callback_info info);
napi_value lag_ranks_call(napi_env env, napi_callback_info info);
napi_value expected_attention_call(napi_env env, napi_callback_info info);
napi_value mean_over_heads_call(napi_env env, napi_callback_info info);
napi_value norms_call(napi_env env, napi_callback_info info);
napi_value z_score_call(napi_env env, napi_callback_info info);
napi_value add_scaled_call(napi_env env, napi_callback_info info);
napi_value soft_cap_call(napi_env env, napi_callback_info info);
napi_value multiply_call(napi_env env, napi_callback_info info);
napi_value average_pool_call(napi_env env, napi_callback_info info);

// napi_rows.cc
napi_value softmax_call(napi_env env, napi_callback_info info);
napi_value argmax_call(napi_env env, napi_callback_info info);
napi_value describe_rows_call(napi_env env, napi_callback_info info);

// napi_map.cc
napi_value map_file(napi_env env, napi_callback_info info);
napi_value unmap_file(napi_env env, napi_callback_info info);

// napi_sha256.cc
napi_value sha256_call(napi_env env, napi_callback_info info);

// napi_peak.cc
napi_value measure_fma(napi_env env, napi_callback_info info);
napi_value measure_products(napi_env env, napi_callback_info info);
napi_value measure_read(napi_env env, napi_callback_info info);

}  // namespace compactor
