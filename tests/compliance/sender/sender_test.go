// Package sender runs the sender tests of prometheus/compliance against weir.
package sender

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/compliance/remotewrite/sender"
)

// weir is the program that WEIR names.
type weir struct{}

func (weir) Name() string { return "weir" }

const config = `listen_address: 127.0.0.1:0
data_dir: %s
scrape_interval: 1s
upstreams: [{url: "http://%s/metrics"}]
remote_write:
- url: %s
  protobuf_message: %s
  send_exemplars: true
  queue_config: {batch_send_deadline: 1s}
`

func (weir) Run(ctx context.Context, o sender.Options) error {
	dir, err := os.MkdirTemp("", "weir-compliance")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	text := fmt.Sprintf(config, filepath.Join(dir, "data"), o.ScrapeTargetHostPort,
		o.RemoteWriteEndpointURL, o.RemoteWriteMessage)
	file := filepath.Join(dir, "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	return sender.RunCommand(ctx, dir, nil, os.Getenv("WEIR"), "--config", file)
}

func TestWeir(t *testing.T) { sender.RunTests(t, weir{}, sender.ComplianceTests()) }
