// The whole public interface of Espalier; start reading in database.h.
#ifndef ESPALIER_API_ESPALIER_H_
#define ESPALIER_API_ESPALIER_H_

#include "espalier/cursor.h"
#include "espalier/database.h"
#include "espalier/keyspace.h"
#include "espalier/options.h"
#include "espalier/salvage.h"
#include "espalier/stats.h"
#include "espalier/transaction.h"
#include "espalier/version.h"

#endif  // ESPALIER_API_ESPALIER_H_
