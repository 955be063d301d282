// Command promsend sends with the library of Prometheus that Grafana Alloy sends with, and tells what
// it sent.
//
// Alloy's prometheus.remote_write has a write-ahead log of its own, in Prometheus' format, and leaves
// the rest to Prometheus' storage/remote, with two headers that tell the instance and without a
// scrape manager, so that 1.0 has no metadata. This does the same; it is not Alloy.
//
// Standard output: a line of JSON for each protobuf message, as in
// tests/data/remote_write/senders.jsonl, which has the output of
//
//	go run ./promsend
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	common "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

const patience = 30 * time.Second

type vector struct {
	Sender   string   `json:"sender"`
	Headers  []string `json:"headers"`
	Body     string   `json:"body"`
	Series   []string `json:"series"`
	Metadata []string `json:"metadata"`
}

// What is written to the log, and in the notation of the vectors.
type content struct {
	series     []record.RefSeries
	metadata   []record.RefMetadata
	samples    []record.RefSample
	exemplars  []record.RefExemplar
	histograms []record.RefHistogramSample
	floats     []record.RefFloatHistogramSample
	shown      []string
	described  []string
}

// A series that was not there yet: its reference, and its labels as a vector shows them.
func (c *content) begin(help string, metricType record.MetricType, pairs ...string) (chunks.HeadSeriesRef, string) {
	ref := chunks.HeadSeriesRef(len(c.series) + 1)
	c.series = append(c.series, record.RefSeries{Ref: ref, Labels: labels.FromStrings(pairs...)})
	c.metadata = append(c.metadata, record.RefMetadata{Ref: ref, Type: uint8(metricType), Help: help})
	kind := record.ToMetricType(uint8(metricType))
	c.described = append(c.described, fmt.Sprintf("%s %s %s", pairs[1], kind, help))
	var shown []string
	for i := 0; i < len(pairs); i += 2 {
		shown = append(shown, pairs[i]+"="+pairs[i+1])
	}
	return ref, strings.Join(shown, ",")
}

func (c *content) sample(ref chunks.HeadSeriesRef, shown string, at int64, v float64) {
	c.samples = append(c.samples, record.RefSample{Ref: ref, T: at, V: v})
	text := strings.ToLower(strconv.FormatFloat(v, 'f', -1, 64))
	if value.IsStaleNaN(v) {
		text = "stale"
	}
	c.shown = append(c.shown, fmt.Sprintf("%s %s@%d", shown, text, at))
}

func (c *content) exemplar(ref chunks.HeadSeriesRef, shown string, at int64, v float64, trace string) {
	c.exemplars = append(c.exemplars, record.RefExemplar{
		Ref: ref, T: at, V: v, Labels: labels.FromStrings("trace_id", trace)})
	c.shown = append(c.shown, fmt.Sprintf("%s exemplar trace_id=%s %v@%d", shown, trace, v, at))
}

func (c *content) histogram(ref chunks.HeadSeriesRef, shown string, at int64, h *histogram.Histogram) {
	c.histograms = append(c.histograms, record.RefHistogramSample{Ref: ref, T: at, H: h})
	c.shown = append(c.shown, fmt.Sprintf("%s histogram schema=%d count=%d sum=%v@%d",
		shown, h.Schema, h.Count, h.Sum, at))
}

func (c *content) float(ref chunks.HeadSeriesRef, shown string, at int64, h *histogram.FloatHistogram) {
	c.floats = append(c.floats, record.RefFloatHistogramSample{Ref: ref, T: at, FH: h})
	c.shown = append(c.shown, fmt.Sprintf("%s histogram schema=%d count=%v sum=%v@%d",
		shown, h.Schema, h.Count, h.Sum, at))
}

func contents(at int64, message remoteapi.WriteMessageType) *content {
	c := &content{}
	ref, shown := c.begin("Requests.", record.Counter,
		"__name__", "requests_total", "code", "200", "instance", "i-1", "job", "shop")
	c.sample(ref, shown, at, 42)
	c.exemplar(ref, shown, at, 0.25, "a1b2")
	c.sample(ref, shown, at+15000, math.Float64frombits(value.StaleNaN))
	ref, shown = c.begin("Requests.", record.Counter,
		"__name__", "requests_total", "code", "500", "instance", "i-1", "job", "shop")
	c.sample(ref, shown, at, 0.1)
	ref, shown = c.begin("How warm it is.", record.Gauge,
		"__name__", "temp_celsius", "instance", "i-1", "job", "shop", "room", "kitchen é")
	c.sample(ref, shown, at, -21.5)
	c.sample(ref, shown, at+15000, math.Inf(-1))
	ref, shown = c.begin("In UTF-8.", record.Gauge, "__name__", "odd.näme", "a.b", "c", "job", "shop")
	c.sample(ref, shown, at, 1.5)
	ref, shown = c.begin("Native.", record.HistogramSample, "__name__", "native", "job", "shop")
	c.histogram(ref, shown, at, tsdbutil.GenerateTestHistogram(12))
	ref, shown = c.begin("Native.", record.HistogramSample, "__name__", "native_float", "job", "shop")
	c.float(ref, shown, at, tsdbutil.GenerateTestFloatHistogram(12))
	if message == remoteapi.WriteV2MessageType {
		ref, shown = c.begin("Custom.", record.HistogramSample, "__name__", "custom", "job", "shop")
		c.histogram(ref, shown, at, tsdbutil.GenerateTestCustomBucketsHistogram(12))
	} else {
		c.described = []string{}
	}
	return c
}

func (c *content) log(dir string) error {
	log, err := wlog.New(nil, nil, filepath.Join(dir, "wal"), compression.Snappy)
	if err != nil {
		return err
	}
	var encoder record.Encoder
	histograms, custom := encoder.HistogramSamples(c.histograms, nil)
	floats, _ := encoder.FloatHistogramSamples(c.floats, nil)
	records := [][]byte{
		encoder.Series(c.series, nil), encoder.Metadata(c.metadata, nil), encoder.Samples(c.samples, nil),
		encoder.Exemplars(c.exemplars, nil), histograms, floats,
	}
	if len(custom) > 0 {
		records = append(records, encoder.CustomBucketsHistogramSamples(custom, nil))
	}
	if err := log.Log(records...); err != nil {
		return err
	}
	return log.Close()
}

// Sends the log of one content in one request, which is what comes back.
func send(message remoteapi.WriteMessageType) (*vector, error) {
	dir, err := os.MkdirTemp("", "promsend")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// What is older than the start of the sender is not sent.
	at := time.Now().Add(time.Minute).Truncate(time.Minute).UnixMilli()
	what := contents(at, message)
	slices.Sort(what.shown)
	slices.Sort(what.described)
	what.described = slices.Compact(what.described)

	got := make(chan *vector, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Print(err)
		}
		var headers []string
		for name, values := range r.Header {
			if name != "Content-Length" {
				headers = append(headers, name+": "+strings.Join(values, ", "))
			}
		}
		slices.Sort(headers)
		got <- &vector{Headers: headers, Body: hex.EncodeToString(body)}
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(len(what.samples)))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written",
			strconv.Itoa(len(what.histograms)+len(what.floats)))
		w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(len(what.exemplars)))
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	address, err := url.Parse(server.URL + "/api/v1/write")
	if err != nil {
		return nil, err
	}
	const instance = "5a1f0c1e-7d53-4c0b-9d5e-0f5b6f0f7c55"
	to := config.DefaultRemoteWriteConfig
	to.URL = &common.URL{URL: address}
	to.Name = "weir"
	to.ProtobufMessage = message
	to.SendExemplars = true
	to.SendNativeHistograms = true
	to.Headers = map[string]string{"X-Agent-Id": instance, "X-Alloy-Id": instance}
	to.QueueConfig.BatchSendDeadline = model.Duration(2 * time.Second)

	start := func() (int64, error) { return 0, nil }
	storage := remote.NewStorage(nil, prometheus.NewRegistry(), start, dir, time.Second, nil, false)
	defer storage.Close()
	if err := what.log(dir); err != nil {
		return nil, err
	}
	if err := storage.ApplyConfig(&config.Config{RemoteWriteConfigs: []*config.RemoteWriteConfig{&to}}); err != nil {
		return nil, err
	}
	storage.Notify()
	var found *vector
	select {
	case found = <-got:
	case <-time.After(patience):
		return nil, fmt.Errorf("%s: nothing was sent", message)
	}
	select {
	case <-got:
		return nil, fmt.Errorf("%s: more than one request was sent", message)
	case <-time.After(3 * time.Second):
	}
	found.Sender = "storage/remote of Prometheus, as Grafana Alloy sets it, " + string(message)
	found.Series = what.shown
	found.Metadata = what.described
	return found, nil
}

func main() {
	for _, message := range []remoteapi.WriteMessageType{
		remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType,
	} {
		vector, err := send(message)
		if err != nil {
			log.Fatal(err)
		}
		line, err := json.Marshal(vector)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(line))
	}
}
