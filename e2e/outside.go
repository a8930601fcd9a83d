package e2e

import (
	"os"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// checkNothingEmbedded checks that a program with a database and brokers of somebody else started none of its own, and that it made
// the missing topic as it should be: six partitions, kept for ever.
func (h *home) checkNothingEmbedded() {
	t := h.t
	t.Helper()
	for _, name := range []string{"postgres", "broker"} {
		if _, err := os.Stat(h.path(name)); !os.IsNotExist(err) {
			t.Errorf("the home has a folder %s (%v), although both are configured", name, err)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(h.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(t.Context(), topicName)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(topics[topicName].Partitions); n != 6 {
		t.Errorf("the topic was made with %d partitions, want 6", n)
	}
	configs, err := admin.DescribeTopicConfigs(t.Context(), topicName)
	if err != nil {
		t.Fatal(err)
	}
	of, err := configs.On(topicName, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range of.Configs {
		if c.Key == "retention.ms" && c.MaybeValue() != "-1" {
			t.Errorf("the topic was made with retention.ms=%s, want -1", c.MaybeValue())
		}
	}
}
