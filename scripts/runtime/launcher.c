/* The main program of the agent's executable: a Python whose library and program are the zip at
 * the end of its own file. Nothing is unpacked, and nothing of the machine's own Python is used.
 *
 * `-m MODULE ARGUMENTS` runs a module of the zip instead of its __main__: the agent starts its
 * children with sys.executable as any Python program does. */

#include <Python.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where distributions keep the authorities that they trust; OpenSSL was built to look in /etc/ssl,
 * which has them on Debian alone. */
static const char *const AUTHORITIES[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
};

static void find_authorities(void) {
    for (size_t i = 0; i < sizeof AUTHORITIES / sizeof *AUTHORITIES; i++) {
        if (access(AUTHORITIES[i], R_OK) == 0) {
            setenv("SSL_CERT_FILE", AUTHORITIES[i], 0);
            return;
        }
    }
}

static PyStatus add_path(PyConfig *config, const char *self, const char *below) {
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s%s", self, below);
    wchar_t *wide = Py_DecodeLocale(path, NULL);
    if (wide == NULL)
        return PyStatus_NoMemory();
    PyStatus status = PyWideStringList_Append(&config->module_search_paths, wide);
    PyMem_RawFree(wide);
    return status;
}

#define TRY(call)                        \
    do {                                 \
        PyStatus status_ = (call);       \
        if (PyStatus_Exception(status_)) \
            return status_;              \
    } while (0)

static PyStatus configure(PyConfig *config, const char *self, int argc, char **argv) {
    int is_module = argc > 2 && strcmp(argv[1], "-m") == 0;
    config->site_import = 0;
    config->write_bytecode = 0;
    config->install_signal_handlers = 1;
    config->configure_c_stdio = 1;
    config->parse_argv = 0;
    TRY(PyConfig_SetBytesString(config, &config->executable, self));
    TRY(PyConfig_SetBytesString(config, &config->base_executable, self));
    TRY(PyConfig_SetBytesString(config, &config->prefix, "/"));
    TRY(PyConfig_SetBytesString(config, &config->base_prefix, "/"));
    TRY(PyConfig_SetBytesString(config, &config->exec_prefix, "/"));
    TRY(PyConfig_SetBytesString(config, &config->base_exec_prefix, "/"));
    TRY(add_path(config, self, ""));
    TRY(add_path(config, self, "/lib"));
    config->module_search_paths_set = 1;
    if (is_module) {
        TRY(PyConfig_SetBytesString(config, &config->run_module, argv[2]));
        return PyConfig_SetBytesArgv(config, argc - 2, argv + 2);
    }
    TRY(PyConfig_SetBytesString(config, &config->run_filename, self));
    return PyConfig_SetBytesArgv(config, argc, argv);
}

int main(int argc, char **argv) {
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) {
        perror("rehost-agent: /proc/self/exe");
        return 1;
    }
    self[length] = '\0';
    find_authorities();

    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1; /* whatever the locale of who starts it */
    PyConfig config;
    PyStatus status = Py_PreInitialize(&before);
    if (!PyStatus_Exception(status)) {
        PyConfig_InitIsolatedConfig(&config);
        status = configure(&config, self, argc, argv);
        if (!PyStatus_Exception(status))
            status = Py_InitializeFromConfig(&config);
        PyConfig_Clear(&config);
    }
    if (PyStatus_Exception(status))
        Py_ExitStatusException(status);
    return Py_RunMain();
}
