// Command subscriber prints the alerts of a Lanner bus.
//
//	subscriber -user reader.soc.lanner -cert soc.crt -key soc.key -ca ca.crt live 'lanner.alerts.>'
//	subscriber -user reader.soc.lanner -cert soc.crt -key soc.key -ca ca.crt durable LANNER_ALERTS reader_soc
//
// live shows what is published while it is connected. durable shows everything:
// each alert comes again until it is acknowledged, so it may come twice, and
// what was worked on is known by its id.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// alert has the keys that this program uses; `lanner schema alert` lists all.
type alert struct {
	ID       string `json:"id"`
	Priority string `json:"priority"`
	Rule     string `json:"rule"`
	Node     string `json:"node"`
	Output   string `json:"output"`
}

func main() {
	log.SetFlags(0)
	var bus connection
	flag.StringVar(&bus.servers, "server", "tls://127.0.0.1:4222", "addresses, separated by commas")
	flag.StringVar(&bus.user, "user", "", "who we are, such as reader.soc.lanner")
	flag.StringVar(&bus.ca, "ca", "ca.crt", "certificate of the authority")
	flag.StringVar(&bus.cert, "cert", "", "our certificate")
	flag.StringVar(&bus.key, "key", "", "the key of our certificate")
	flag.StringVar(&bus.creds, "creds", "", "our credentials, in place of a certificate")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, bus, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, bus connection, args []string) error {
	nc, err := bus.open()
	if err != nil {
		return err
	}
	defer nc.Close()
	switch {
	case len(args) == 2 && args[0] == "live":
		return live(ctx, nc, args[1])
	case len(args) == 3 && args[0] == "durable":
		return durable(ctx, nc, args[1], args[2])
	default:
		return errors.New("usage: subscriber [flags] live SUBJECT | durable STREAM CONSUMER")
	}
}

type connection struct{ servers, user, ca, cert, key, creds string }

func (c connection) open() (*nats.Conn, error) {
	// Both are read again at each connection, so that renewed ones are used.
	proof := nats.ClientCert(c.cert, c.key)
	if c.creds != "" {
		proof = nats.UserCredentials(c.creds)
	}
	return nats.Connect(c.servers,
		nats.Name(c.user),
		nats.RootCAs(c.ca),
		proof,
		// The bus speaks TLS from the first byte on.
		nats.TLSHandshakeFirst(),
		// Answers come to inboxes of our own; other ones are refused.
		nats.CustomInboxPrefix("_INBOX_"+strings.ReplaceAll(c.user, ".", "_")),
		// For ever: the default gives up after two minutes.
		nats.MaxReconnects(-1),
		nats.ReconnectWait(time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			// Without an error we closed it ourselves.
			if err != nil {
				log.Printf("disconnected: %v", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Print("connected again") }),
		// A refused subject and a slow reader are told here, and nowhere else.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Print(err) }),
	)
}

// live prints what is published from now on. What is published while the
// connection is away is not seen.
func live(ctx context.Context, nc *nats.Conn, subject string) error {
	messages := make(chan *nats.Msg, 1024)
	if _, err := nc.ChanSubscribe(subject, messages); err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	log.Printf("listening to %s", subject)
	for {
		select {
		case <-ctx.Done():
			return nil
		case message := <-messages:
			found, err := parse(message.Data)
			if err != nil {
				log.Print(err)
				continue
			}
			if err := show(found); err != nil {
				return err
			}
		}
	}
}

// durable prints what its consumer holds, and from then on what comes. The
// consumer remembers what was acknowledged, also while nobody reads.
func durable(ctx context.Context, nc *nats.Conn, stream, name string) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	// It was made for us, by `lanner bus setup`: a reader cannot make one.
	consumer, err := js.Consumer(ctx, stream, name)
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", name, stream, err)
	}
	messages, err := consumer.Messages(
		// Less than the consumer may hold unacknowledged, so that two programs can share it.
		jetstream.PullMaxMessages(100),
		// An outage of the server is no reason to end.
		jetstream.WithMessagesErrOnMissingHeartbeat(false),
	)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, messages.Stop)
	log.Printf("reading %s of %s", name, stream)

	done := newRecent(100_000)
	for {
		message, err := messages.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		found, err := parse(message.Data())
		if err != nil {
			log.Print(err)
			// No alert, and never will be one: do not send it again.
			_ = message.Term()
			continue
		}
		if !done.has(found.ID) {
			// First the work, then the acknowledgement. What has to survive the end of
			// this program as well is kept where the work goes: the id as a unique key.
			if err := show(found); err != nil {
				return err
			}
			done.add(found.ID)
		}
		if err := message.Ack(); err != nil {
			log.Printf("not acknowledged, it will come again: %v", err)
		}
	}
}

func parse(data []byte) (alert, error) {
	var found alert
	if err := json.Unmarshal(data, &found); err != nil {
		return alert{}, fmt.Errorf("not an alert: %w", err)
	}
	if found.ID == "" {
		return alert{}, errors.New("not an alert: without id")
	}
	return found, nil
}

// show is the work: here, one line. %q keeps what an attacker wrote off the terminal.
func show(a alert) error {
	_, err := fmt.Printf("%q %q %q node=%q %q\n", a.ID, a.Priority, a.Rule, a.Node, a.Output)
	return err
}
