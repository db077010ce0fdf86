/*
 * Asks X509_verify_cert about many cases. Standard input holds lines of `key value` from `case ID`
 * to `run`; binary values are hexadecimal. Each case is answered by one line: `ID valid`, or
 * `ID refused DEPTH WHY`.
 */
#define _GNU_SOURCE
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct question {
    char *id;
    X509 *leaf;
    int leaf_bad;
    STACK_OF(X509) *intermediates;
    X509_STORE *store;
    STACK_OF(X509_CRL) *lists;
    X509_VERIFY_PARAM *param;
    unsigned long flags;
    int purpose, some_policy;
    STACK_OF(OPENSSL_STRING) *hosts, *addresses, *mailboxes;
};

static void die(const char *why, const char *what)
{
    fprintf(stderr, "%s: %s\n", why, what);
    exit(2);
}

static unsigned char *unhex(const char *text, long *length)
{
    unsigned char *octets = OPENSSL_hexstr2buf(text, length);
    if (octets == NULL)
        die("not hexadecimal", text);
    return octets;
}

/* A certificate that OpenSSL cannot read, or one with octets after it, is NULL. */
static X509 *certificate(const char *text)
{
    long length;
    unsigned char *octets = unhex(text, &length);
    const unsigned char *at = octets;
    X509 *x = d2i_X509(NULL, &at, length);
    if (x != NULL && at != octets + length) {
        X509_free(x);
        x = NULL;
    }
    OPENSSL_free(octets);
    return x;
}

static X509_CRL *list(const char *text)
{
    long length;
    unsigned char *octets = unhex(text, &length);
    const unsigned char *at = octets;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, length);
    OPENSSL_free(octets);
    return crl;
}

static void start(struct question *q, const char *id)
{
    memset(q, 0, sizeof *q);
    q->id = strdup(id);
    q->intermediates = sk_X509_new_null();
    q->lists = sk_X509_CRL_new_null();
    q->store = X509_STORE_new();
    q->param = X509_VERIFY_PARAM_new();
    q->flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK;
    q->hosts = sk_OPENSSL_STRING_new_null();
    q->addresses = sk_OPENSSL_STRING_new_null();
    q->mailboxes = sk_OPENSSL_STRING_new_null();
}

static void drop_text(char *text)
{
    free(text);
}

static void finish(struct question *q)
{
    free(q->id);
    X509_free(q->leaf);
    sk_X509_pop_free(q->intermediates, X509_free);
    sk_X509_CRL_pop_free(q->lists, X509_CRL_free);
    X509_STORE_free(q->store);
    X509_VERIFY_PARAM_free(q->param);
    sk_OPENSSL_STRING_pop_free(q->hosts, drop_text);
    sk_OPENSSL_STRING_pop_free(q->addresses, drop_text);
    sk_OPENSSL_STRING_pop_free(q->mailboxes, drop_text);
}

static void flag(struct question *q, const char *name)
{
    if (strcmp(name, "explicit") == 0)
        q->flags |= X509_V_FLAG_EXPLICIT_POLICY;
    else if (strcmp(name, "nomap") == 0)
        q->flags |= X509_V_FLAG_INHIBIT_MAP;
    else if (strcmp(name, "noany") == 0)
        q->flags |= X509_V_FLAG_INHIBIT_ANY;
    else if (strcmp(name, "crls") == 0)
        q->flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL
                    | X509_V_FLAG_EXTENDED_CRL_SUPPORT;
    else
        die("unknown flag", name);
}

/* Everything but names: the text of the first error, or NULL. */
static const char *verify(struct question *q, int *depth)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    const char *why = NULL;

    X509_VERIFY_PARAM_set_flags(q->param, q->flags);
    /* OpenSSL takes no policy for none, where RFC 5280 6.1.1 (c) has any-policy. */
    if (!q->some_policy)
        X509_VERIFY_PARAM_add0_policy(q->param, OBJ_nid2obj(NID_any_policy));
    if (q->purpose != 0)
        X509_VERIFY_PARAM_set_purpose(q->param, q->purpose);
    if (!X509_STORE_CTX_init(ctx, q->store, q->leaf, q->intermediates))
        die("no context", q->id);
    X509_STORE_CTX_set0_crls(ctx, q->lists);
    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx), q->param);
    if (X509_verify_cert(ctx) != 1) {
        why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
        *depth = X509_STORE_CTX_get_error_depth(ctx);
    }
    X509_STORE_CTX_free(ctx);
    return why;
}

/* Every name that was asked for must match, and the common name is none. */
static const char *names(struct question *q)
{
    unsigned int how = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    int n;

    for (n = 0; n < sk_OPENSSL_STRING_num(q->hosts); n++)
        if (X509_check_host(q->leaf, sk_OPENSSL_STRING_value(q->hosts, n), 0, how, NULL) != 1)
            return "host name mismatch";
    for (n = 0; n < sk_OPENSSL_STRING_num(q->addresses); n++)
        if (X509_check_ip_asc(q->leaf, sk_OPENSSL_STRING_value(q->addresses, n), how) != 1)
            return "address mismatch";
    for (n = 0; n < sk_OPENSSL_STRING_num(q->mailboxes); n++)
        if (X509_check_email(q->leaf, sk_OPENSSL_STRING_value(q->mailboxes, n), 0, how) != 1)
            return "mailbox mismatch";
    return NULL;
}

static void answer(struct question *q)
{
    int depth = 0;
    const char *why = q->leaf == NULL ? "unreadable" : verify(q, &depth);

    if (why == NULL)
        why = names(q);
    if (why == NULL)
        printf("%s valid\n", q->id);
    else
        printf("%s refused %d %s\n", q->id, depth, why);
}

static void take(struct question *q, const char *key, char *value)
{
    if (strcmp(key, "at") == 0) {
        X509_VERIFY_PARAM_set_time(q->param, strtoll(value, NULL, 10));
    } else if (strcmp(key, "purpose") == 0) {
        q->purpose = value[0] == 's'   ? X509_PURPOSE_SSL_SERVER
                     : value[0] == 'c' ? X509_PURPOSE_SSL_CLIENT
                                       : 0;
    } else if (strcmp(key, "host") == 0) {
        sk_OPENSSL_STRING_push(q->hosts, strdup(value));
    } else if (strcmp(key, "ip") == 0) {
        sk_OPENSSL_STRING_push(q->addresses, strdup(value));
    } else if (strcmp(key, "email") == 0) {
        sk_OPENSSL_STRING_push(q->mailboxes, strdup(value));
    } else if (strcmp(key, "policy") == 0) {
        X509_VERIFY_PARAM_add0_policy(q->param, OBJ_txt2obj(value, 1));
        q->some_policy = 1;
    } else if (strcmp(key, "flag") == 0) {
        flag(q, value);
    } else if (strcmp(key, "depth") == 0) {
        X509_VERIFY_PARAM_set_depth(q->param, atoi(value));
    } else if (strcmp(key, "leaf") == 0) {
        q->leaf = certificate(value);
    } else if (strcmp(key, "inter") == 0) {
        X509 *x = certificate(value);
        if (x != NULL)
            sk_X509_push(q->intermediates, x);
    } else if (strcmp(key, "anchor") == 0) {
        X509 *x = certificate(value);
        if (x != NULL)
            X509_STORE_add_cert(q->store, x);
        X509_free(x);
    } else if (strcmp(key, "crl") == 0) {
        X509_CRL *crl = list(value);
        if (crl != NULL)
            sk_X509_CRL_push(q->lists, crl);
    } else {
        die("unknown key", key);
    }
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    struct question q;
    int open = 0;

    while ((length = getline(&line, &room, stdin)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        char *value = strchr(line, ' ');
        if (value != NULL)
            *value++ = '\0';
        if (strcmp(line, "case") == 0) {
            start(&q, value);
            open = 1;
        } else if (!open) {
            die("outside of a case", line);
        } else if (strcmp(line, "run") == 0) {
            answer(&q);
            finish(&q);
            open = 0;
        } else {
            take(&q, line, value);
        }
    }
    free(line);
    return 0;
}
