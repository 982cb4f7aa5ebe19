/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pappl_printer.c - a printer application (PAPPL) whose jobs spoolguardd retires
 *
 * usage: pappl_printer PORT SPOOL-DIRECTORY [SECONDS-PER-JOB]
 *
 * PAPPL tells that a job has ended while it holds its locks, so the event's callback hands the
 * job on to a thread of ours, which alone talks to the service.  PAPPL keeps the file of a finished
 * job as long as preserved jobs are allowed (papplPrinterSetMaxPreservedJobs): without that it
 * would be unlinked, not overwritten, before anybody hears of it.  What to copy from here into a
 * printer application of your own is between the two lines of dashes.
 */
#include "client/spoolguard.h"
#include <errno.h>
#include <fcntl.h>
#include <pappl/pappl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRESERVED_JOBS 1000

/* ------------------------------------------------------------------------------------ */

/* A finished job: PAPPL's number of it, and its file. */
struct finished {
	struct finished *next;
	char id[64];
	char *file;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static struct finished *first, **last = &first;

/* Called with PAPPL's locks held: copies, and returns. */
static void on_event(pappl_system_t *system, pappl_printer_t *printer, pappl_job_t *job,
	pappl_event_t event, void *data)
{
	const char *file = job ? papplJobGetFilename(job) : NULL;
	struct finished *finished;

	(void)system;
	(void)data;
	if (!(event & PAPPL_EVENT_JOB_COMPLETED) || !file)
		return;
	finished = calloc(1, sizeof(*finished));
	if (!finished || !(finished->file = strdup(file))) {
		free(finished);
		return; /* the file stays: PAPPL shows the job as preserved */
	}
	snprintf(finished->id, sizeof(finished->id), "pappl-%d-%d", papplPrinterGetID(printer),
		papplJobGetID(job));
	pthread_mutex_lock(&lock);
	*last = finished;
	last = &finished->next;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
}

static struct finished *next_finished(void)
{
	struct finished *finished;

	pthread_mutex_lock(&lock);
	while (!first)
		pthread_cond_wait(&news, &lock);
	finished = first;
	first = finished->next;
	if (!first)
		last = &first;
	pthread_mutex_unlock(&lock);
	return finished;
}

/* Hands jobs over for ever; while no service is there, a job waits, and its file stays. */
static void *retire(void *data)
{
	struct spoolguard *session = NULL;

	(void)data;
	for (;;) {
		struct finished *finished = next_finished();
		const char *files[] = {finished->file};
		int r;

		while (!session && spoolguard_open(NULL, &session) < 0)
			sleep(1);
		while ((r = spoolguard_job_complete(
				session, finished->id, files, 1, false, NULL)) == -ECONNRESET ||
			r == -ENOENT || r == -ECONNREFUSED)
			sleep(1);
		if (r < 0)
			fprintf(stderr, "job %s is not retired: %s\n", finished->id,
				spoolguard_text(session));
		free(finished->file);
		free(finished);
	}
	return NULL;
}

/* ------------------------------------------------------------------------------------ */

static unsigned int seconds_per_job;

static bool print_file(pappl_job_t *job, pappl_pr_options_t *options, pappl_device_t *device)
{
	(void)job;
	(void)options;
	(void)device;
	sleep(seconds_per_job);
	return true;
}

/* PAPPL takes no driver without these; they are for images and PWG raster, which go to nothing. */
static bool no_job(pappl_job_t *job, pappl_pr_options_t *options, pappl_device_t *device)
{
	(void)job;
	(void)options;
	(void)device;
	return true;
}

static bool no_page(
	pappl_job_t *job, pappl_pr_options_t *options, pappl_device_t *device, unsigned page)
{
	(void)job;
	(void)options;
	(void)device;
	(void)page;
	return true;
}

static bool no_line(pappl_job_t *job, pappl_pr_options_t *options, pappl_device_t *device,
	unsigned y, const unsigned char *line)
{
	(void)job;
	(void)options;
	(void)device;
	(void)y;
	(void)line;
	return true;
}

static bool no_status(pappl_printer_t *printer)
{
	(void)printer;
	return true;
}

static bool set_up_driver(pappl_system_t *system, const char *name, const char *uri,
	const char *device_id, pappl_pr_driver_data_t *driver, ipp_t **attributes, void *data)
{
	(void)system;
	(void)name;
	(void)uri;
	(void)device_id;
	(void)attributes;
	(void)data;
	snprintf(driver->make_and_model, sizeof(driver->make_and_model), "Spoolguard example");
	driver->format = "application/octet-stream";
	driver->printfile_cb = print_file;
	driver->rstartjob_cb = no_job;
	driver->rstartpage_cb = no_page;
	driver->rwriteline_cb = no_line;
	driver->rendpage_cb = no_page;
	driver->rendjob_cb = no_job;
	driver->status_cb = no_status;
	driver->ppm = 10;
	driver->color_supported = PAPPL_COLOR_MODE_MONOCHROME;
	driver->color_default = PAPPL_COLOR_MODE_MONOCHROME;
	driver->raster_types = PAPPL_PWG_RASTER_TYPE_BLACK_8;
	driver->num_resolution = 1;
	driver->x_resolution[0] = driver->y_resolution[0] = 300;
	driver->x_default = driver->y_default = 300;
	driver->num_media = 1;
	driver->media[0] = "iso_a4_210x297mm";
	driver->num_source = 1;
	driver->source[0] = "main";
	driver->num_type = 1;
	driver->type[0] = "stationery";
	snprintf(driver->media_default.size_name, sizeof(driver->media_default.size_name),
		"iso_a4_210x297mm");
	driver->media_default.size_width = 21000;
	driver->media_default.size_length = 29700;
	snprintf(driver->media_default.source, sizeof(driver->media_default.source), "main");
	snprintf(driver->media_default.type, sizeof(driver->media_default.type), "stationery");
	driver->media_ready[0] = driver->media_default;
	return true;
}

int main(int argc, char **argv)
{
	static pappl_pr_driver_t drivers[] = {{"example", "Spoolguard example", NULL, NULL}};
	pappl_system_t *system;
	pappl_printer_t *printer;
	pthread_t thread;

	if (argc < 3) {
		fprintf(stderr, "usage: pappl_printer PORT SPOOL-DIRECTORY [SECONDS-PER-JOB]\n");
		return 2;
	}
	seconds_per_job = argc > 3 ? (unsigned int)atoi(argv[3]) : 0;
	system = papplSystemCreate(PAPPL_SOPTIONS_NONE, "spoolguard example", atoi(argv[1]), NULL,
		argv[2], "-", PAPPL_LOGLEVEL_WARN, NULL, true);
	if (!system)
		return 1;
	papplSystemAddListeners(system, "localhost");
	papplSystemSetPrinterDrivers(system, 1, drivers, NULL, NULL, set_up_driver, NULL);
	printer = papplPrinterCreate(system, 1, "example", "example", NULL, "file:///dev/null");
	if (!printer)
		return 1;
	papplPrinterSetMaxPreservedJobs(printer, PRESERVED_JOBS);
	papplSystemSetEventCallback(system, on_event, NULL);
	if (pthread_create(&thread, NULL, retire, NULL) != 0)
		return 1;
	papplSystemRun(system);
	return 0;
}
