/* A firmware that runs CMSIS-NN's 3x3 convolution RUNS times on a map of SIZE x SIZE x CHANNELS.
 *
 * Compiled by cortex_m_conv.py with CMSIS-NN's sources and the start-up code of an artifact. What is
 * multiplied does not matter for the number of instructions; the result is used, so it is computed.
 */
#include <stddef.h>
#include <stdint.h>

#include "arm_nnfunctions.h"

static int8_t input[SIZE * SIZE * CHANNELS], output[SIZE * SIZE * CHANNELS];
static int8_t weights[CHANNELS * 3 * 3 * CHANNELS];
static int32_t bias[CHANNELS], multiplier[CHANNELS], shift[CHANNELS];
static int16_t buffer[2 * 3 * 3 * CHANNELS + 64];

int main(void)
{
    const cmsis_nn_dims in = { 1, SIZE, SIZE, CHANNELS }, filter = { CHANNELS, 3, 3, CHANNELS };
    const cmsis_nn_dims biases = { 1, 1, 1, CHANNELS }, out = { 1, SIZE, SIZE, CHANNELS };
    const cmsis_nn_conv_params params = {
        .input_offset = 3, .output_offset = -5, .stride = { 1, 1 }, .padding = { 1, 1 },
        .dilation = { 1, 1 }, .activation = { -128, 127 },
    };
    const cmsis_nn_per_channel_quant_params scales = { multiplier, shift };
    const cmsis_nn_context context = { buffer, sizeof buffer };
    uint32_t seed = 1, seen = 0;
    for (unsigned k = 0; k < sizeof input; k++)
        input[k] = (int8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (unsigned k = 0; k < sizeof weights; k++)
        weights[k] = (int8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (int k = 0; k < CHANNELS; k++) {
        multiplier[k] = 1500000000 + k;
        shift[k] = -9;
    }
    for (int run = 0; run < RUNS; run++)
        if (arm_convolve_s8(&context, &params, &scales, &in, input, &filter, weights, &biases,
                bias,
#ifdef UPSCALING /* since version 5 */
                NULL,
#endif
                &out, output) != ARM_CMSIS_NN_SUCCESS)
            return 2;
    for (unsigned k = 0; k < sizeof output; k++)
        seen |= (uint32_t)output[k];
    return seen == 0;
}
