/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_impl.h - what supervisor.c (start, main loop, stop), supervisor_tests.c (the tester's
 * thread) and supervisor_volumes.c (what follows when a volume opens or closes) share, with
 * supervisor_survey.c (the surveyor's thread)
 */
#ifndef SPOOLGUARD_SUPERVISOR_SUPERVISOR_IMPL_H
#define SPOOLGUARD_SUPERVISOR_SUPERVISOR_IMPL_H

#include "keystore/device_keys.h"
#include "supervisor/mounter_child.h"
#include "supervisor/notify.h"
#include "supervisor/pulse.h"
#include "supervisor/supervisor.h"
#include "volume/runtime.h"
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

struct cups_source;
struct service;
struct exporter;

/* supervisor_clock.c: where the wall clock stood, as a difference to others. */
struct supervisor_clock {
	int fd;
	int64_t wall_ms, suspended_ms;
};

struct supervisor_impl {
	char config_path[PATH_MAX];
	int state_lock, runtime_lock; /* X3 */
	int signal_fd, wake_fd;
	struct notify *notify;
	struct log_signer signer; /* over supervisor_keys() */
	struct supervisor_clock clock;
	struct mounter_child *mounter;
	char mounter_socket[108];
	atomic_bool mounter_is_there;
	enum state_name told;
	bool ready;
	bool stopping;
	bool said_dead; /* that a thread does not come round */

	/* The tester. */
	pthread_t tester;
	bool tester_started;
	struct pulse tester_pulse;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool stop;
	bool all_due;			     /* on schedule */
	bool volume_due[CONFIG_VOLUMES_MAX]; /* opened: its medium comes first */
	bool keepers_started;		     /* X1 */
	bool tested;			     /* the first run has ended */
	int64_t tested_wall_s;
	struct harness_report *last;
	pthread_mutex_t run_lock; /* one run at a time */

	/* The surveyor. */
	pthread_t surveyor;
	bool survey_started, survey_stop, survey_asked;
	pthread_cond_t survey_news; /* by the monotonic clock */
	struct pulse survey_pulse;
	char *metrics; /* what was written last */
	char metrics_path[PATH_MAX];
	pthread_mutex_t config_lock; /* texts of the configuration that a reload changes */

	/* Volumes that the parts have been told of; volumes_lock is held while they are told. */
	pthread_mutex_t volumes_lock;
	bool told_open[CONFIG_VOLUMES_MAX];
	char told_uuid[CONFIG_VOLUMES_MAX][RUNTIME_UUID_BYTES];
	atomic_bool take_again[CONFIG_VOLUMES_MAX]; /* jobs on it could not begin */

	/* Jobs. */
	struct cups_source *cups; /* NULL: this configuration follows none */
	struct watch_directory *watcher;
	struct service *service;
	struct wiper *wiper;

	struct exporter *exporters[3]; /* by enum exporter_kind; NULL: not configured */
};

/* The main loop looks again. */
void supervisor_wake(struct supervisor *supervisor);

/* supervisor_tests.c */
must_check int supervisor_start_tester(struct supervisor *supervisor);
void supervisor_stop_tester(struct supervisor *supervisor);
void supervisor_ask_tester(struct supervisor *supervisor, struct keeper *keeper);
void supervisor_check_schedule(struct supervisor *supervisor);

/* supervisor_export.c */
void supervisor_start_export(struct supervisor *supervisor);
void supervisor_judge_export(struct supervisor *supervisor);
void supervisor_stop_export(struct supervisor *supervisor);

/* supervisor_survey.c */
must_check int supervisor_start_survey(struct supervisor *supervisor);
/* A round now: something changed. */
void supervisor_ask_survey(struct supervisor *supervisor);
void supervisor_stop_survey(struct supervisor *supervisor);

/* supervisor_log.c */
must_check int supervisor_start_log(struct supervisor *supervisor);
/* Reasons as the log is now. */
void supervisor_judge_log(struct supervisor *supervisor);

/* supervisor_clock.c */
must_check int supervisor_clock_open(struct supervisor_clock *clock);
/* It was set?  From the main loop, when clock.fd can be read. */
void supervisor_clock_tend(struct supervisor *supervisor);

/* supervisor_volumes.c */
void supervisor_on_key(
	void *context, const char *uuid, enum device_key_state state, const char *reason);
void supervisor_on_keeper(void *context, struct keeper *keeper);
size_t supervisor_index_of(const struct supervisor *supervisor, const struct keeper *keeper);
/* Its medium has been tested: jobs on it begin. */
void supervisor_take_volume(struct supervisor *supervisor, struct keeper *keeper);
/* Those where that failed. */
void supervisor_take_again(struct supervisor *supervisor);

/* supervisor_jobs.c */
must_check int supervisor_make_jobs(struct supervisor *supervisor, struct problem *reterr_problem);
must_check int supervisor_start_jobs(struct supervisor *supervisor);
/* No call and no job is taken any more. */
void supervisor_stop_jobs(struct supervisor *supervisor);
void supervisor_free_jobs(struct supervisor *supervisor);
must_check int supervisor_open_jobs(struct supervisor *supervisor,
	const struct runtime_state *volume, struct problem *reterr_problem);
void supervisor_close_jobs(struct supervisor *supervisor, const char *uuid, bool lost);
void supervisor_tell_jobs(struct supervisor *supervisor);
bool supervisor_jobs_are_alive(struct supervisor *supervisor);

#endif
