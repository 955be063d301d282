// Command promnotation says what promtool makes of texts in its series notation.
//
// Standard input: JSON lines with "input". Standard output: the same lines with the answer of
// ParseSeriesDesc added or renewed: "ok", "error", and "values", where a value is a number as Go
// prints it, "_" (missing), "stale", or an object for a native histogram with its buckets as
// [index, count] pairs. Other fields are kept.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"math"
	"os"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
)

type vector struct {
	Input  string          `json:"input"`
	OK     bool            `json:"ok"`
	Error  string          `json:"error,omitempty"`
	Values []any           `json:"values"`
	Weir   json.RawMessage `json:"weir,omitempty"`
}

type native struct {
	Schema        int32    `json:"schema"`
	Count         string   `json:"count"`
	Sum           string   `json:"sum"`
	ZeroThreshold string   `json:"zero_threshold"`
	ZeroCount     string   `json:"zero_count"`
	Positive      [][2]any `json:"positive"`
	Negative      [][2]any `json:"negative"`
	CustomValues  []string `json:"custom_values"`
	ResetHint     int      `json:"reset_hint"`
}

func main() {
	decoder := json.NewDecoder(os.Stdin)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	series := parser.NewParser(parser.Options{})
	for {
		var v vector
		err := decoder.Decode(&v)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		v.OK, v.Error, v.Values = true, "", []any{}
		_, values, err := series.ParseSeriesDesc("m " + v.Input)
		if err != nil {
			v.OK, v.Error, values = false, err.Error(), nil
		}
		for _, one := range values {
			v.Values = append(v.Values, answer(one))
		}
		if err := encoder.Encode(v); err != nil {
			log.Fatal(err)
		}
	}
}

func answer(one parser.SequenceValue) any {
	switch {
	case one.Omitted:
		return "_"
	case one.Histogram != nil:
		return describe(one.Histogram)
	case value.IsStaleNaN(one.Value):
		return "stale"
	default:
		return number(one.Value)
	}
}

func describe(h *histogram.FloatHistogram) native {
	custom := []string{}
	for _, bound := range h.CustomValues {
		custom = append(custom, number(bound))
	}
	return native{
		Schema:        h.Schema,
		Count:         number(h.Count),
		Sum:           number(h.Sum),
		ZeroThreshold: number(h.ZeroThreshold),
		ZeroCount:     number(h.ZeroCount),
		Positive:      buckets(h.PositiveSpans, h.PositiveBuckets),
		Negative:      buckets(h.NegativeSpans, h.NegativeBuckets),
		CustomValues:  custom,
		ResetHint:     int(h.CounterResetHint),
	}
}

// Buckets with nothing in them are left out: promtool may add or drop them.
func buckets(spans []histogram.Span, counts []float64) [][2]any {
	pairs := [][2]any{}
	index, i := int32(0), 0
	for _, span := range spans {
		index += span.Offset
		for range span.Length {
			if counts[i] != 0 {
				pairs = append(pairs, [2]any{index, number(counts[i])})
			}
			index, i = index+1, i+1
		}
	}
	return pairs
}

func number(f float64) string {
	if math.IsInf(f, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
