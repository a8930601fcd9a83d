package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/coder/quartz"
	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/tasks/produce"
)

func (c *command) produce() *cobra.Command {
	var file string
	var rate float64
	var seconds int
	cmd := &cobra.Command{
		Use: "produce", Short: "Put events on the topic: a file's, or live ones at a rate", Args: arguments(),
		Example: "  tidemill produce --events testdata/payments-7d/events.ndjson.gz\n  tidemill produce --rate 100 --seconds 60",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (file == "") == (rate == 0) {
				return usage("give --events FILE or --rate N, one of them")
			}
			s, err := findServices(c.config)
			if err != nil && len(splitList(c.config.Brokers)) == 0 {
				return err
			}
			brokers := splitList(c.config.Brokers)
			if s != nil {
				brokers = s.Brokers
			}
			if len(brokers) == 0 {
				return errNoBrokers(c.config)
			}
			client, err := c.config.client()
			if err != nil {
				return err
			}
			story := newStory(c.err, time.Now)
			config := produce.Config{Brokers: brokers, Topic: c.config.Topic, Client: client, Log: c.logger()}
			progress := func(p produce.Progress) { story.live(fmt.Sprintf("%d events acknowledged", p.Acknowledged)) }
			var result produce.Result
			if file != "" {
				result, err = produceFile(cmd, config, file, progress)
			} else {
				if rate < 0 || seconds < 0 {
					return usage("--rate and --seconds must be above 0")
				}
				result, err = produce.Live(cmd.Context(), config, produce.LiveOptions{Rate: rate, For: time.Duration(seconds) * time.Second, Seed: uint64(time.Now().UnixNano())}, quartz.NewReal(), progress)
			}
			story.say(fmt.Sprintf("%d events produced to topic %s", result.Acknowledged, c.config.Topic))
			return err
		},
	}
	cmd.Flags().StringVar(&file, "events", "", "NDJSON file of events, gzipped or not; each event is put on the topic, whatever is there")
	cmd.Flags().Float64Var(&rate, "rate", 0, "live payments' records a second")
	cmd.Flags().IntVar(&seconds, "seconds", 0, "how long, with --rate (default: until Ctrl-C)")
	return cmd
}

func produceFile(cmd *cobra.Command, config produce.Config, path string, progress func(produce.Progress)) (produce.Result, error) {
	r, err := events.Open(path)
	if err != nil {
		return produce.Result{}, &UsageError{fmt.Errorf("--events: %w", err)}
	}
	result, err := produce.Produce(cmd.Context(), config, r.All(), progress)
	return result, errors.Join(err, r.Close())
}
